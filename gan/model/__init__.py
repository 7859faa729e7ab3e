"""Networks of generator and discriminator."""
