"""Networks of the generator and the discriminator."""
