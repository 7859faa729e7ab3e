"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const three = (value) => value.toFixed(3);
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// One cell of a strip of pictures, in place of as many files.
const ofStrip = (uri, index, count, alt) => {
  const image = make("img", { src: uri, alt, className: "strip pixels" });
  image.style.objectPosition = `${(100 * index) / Math.max(1, count - 1)}% 0`;
  return image;
};
const figure = (kind, image, caption) =>
  make("figure", { className: kind }, image, make("figcaption", { textContent: caption }));
const copy = (image) => {
  const other = image.cloneNode();
  other.removeAttribute("loading");
  other.className = "strip pixels";
  return other;
};

const dialog = document.getElementById("picture");
let place = null; // { wall, row, column } of the cell that the dialog shows

document.querySelectorAll(".wall").forEach((table, wall) => {
  const cell = (row, column) => table.tBodies[0].rows[row]?.cells[column + 2]?.firstElementChild;
  const rows = table.tBodies[0].rows.length;
  const columns = data[wall].length;

  const open = (row, column) => {
    place = { table, row, column };
    const trial = data[wall][column];
    const [original, grey] = table.tBodies[0].rows[row].querySelectorAll("img");
    const heading = table.querySelector(`[data-column="${column}"]`).dataset.label;
    const pictures = [
      figure("one", copy(grey), "grayscale"),
      figure("one", copy(original), "original"),
      figure("one", copy(cell(row, column).firstElementChild), `colorized: ${heading}`),
    ];
    if (trial.recoloured)
      pictures.push(figure("one", ofStrip(trial.recoloured, row, rows, "recoloured"), "without control, recoloured"));
    const numbers = trial.numbers[row].map((n) =>
      make("tr", {}, ...[n.control, n.wanted, n.achieved, n.reachable, n.original]
        .map((text, i) => i ? make("td", { textContent: text })
          : make("th", { textContent: text, className: "text", scope: "row" }))));
    const stages = trial.stages.map((stage) =>
      figure("stage", ofStrip(stage.strip, row, rows, `at step ${stage.step}`), `step ${stage.step}`));
    stages.push(figure("stage", copy(cell(row, column).firstElementChild), `step ${trial.step}`));
    const body = dialog.querySelector(".body");
    body.replaceChildren(
      make("h2", { textContent: `Picture ${row + 1}, ${heading}` }),
      make("div", { className: "row" }, ...pictures),
      ...(numbers.length
        ? [make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Its numbers" },
            make("table", { className: "numbers" },
              make("thead", {}, make("tr", {}, ...["this picture", "wanted", "achieved", "reachable", "original has"]
                .map((text, i) => make("th", { textContent: text, scope: "col", className: i ? "" : "text" })))),
              make("tbody", {}, ...numbers)))]
        : []),
      make("p", {}, `Mean absolute difference from the original: ${three(trial.mae[row])}. `,
        make("a", { href: `#${trial.anchor}`, textContent: "All of its numbers", onclick: () => { place = null; dialog.close(); } })),
      make("h3", { textContent: "The way there" }),
      make("div", { className: "row" }, ...stages),
    );
    if (!dialog.open) dialog.showModal();
  };

  const move = (row, column) => {
    const next = cell(row, column);
    if (!next) return false;
    table.querySelectorAll("button[tabindex='0']").forEach((b) => { b.tabIndex = -1; });
    next.tabIndex = 0;
    return next;
  };
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const at = button.parentElement;
    move(at.parentElement.sectionRowIndex, at.cellIndex - 2);
    open(at.parentElement.sectionRowIndex, at.cellIndex - 2);
  });
  table.addEventListener("keydown", (event) => {
    const button = event.target.closest("button");
    const step = STEPS[event.key];
    if (!button || !step) return;
    const at = button.parentElement;
    const next = at.cellIndex - 2 + step[1] >= 0
      && move(at.parentElement.sectionRowIndex + step[0], at.cellIndex - 2 + step[1]);
    if (next) { next.focus(); event.preventDefault(); }
  });
  table.walk = (row, column) => {
    if (row < 0 || column < 0 || row >= rows || column >= columns) return;
    move(row, column);
    open(row, column);
  };

  const slider = document.querySelectorAll(".slider input")[wall];
  const output = document.querySelectorAll(".slider output")[wall];
  const large = document.querySelectorAll(".large")[wall];
  const slide = () => {
    const column = Number(slider.value);
    const head = table.querySelector(`[data-column="${column}"]`);
    table.querySelectorAll(".at").forEach((other) => other.classList.remove("at"));
    head.classList.add("at");
    output.textContent = head.dataset.long;
    slider.setAttribute("aria-valuetext", head.dataset.long);
    for (let row = 0; row < rows; row++) {
      const shown = large.children[row] ?? large.appendChild(make("img", { className: "pixels" }));
      const picture = cell(row, column).firstElementChild;
      shown.src = picture.src;
      shown.alt = picture.alt;
    }
  };
  slider.addEventListener("input", slide);
  slide();
});

dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  place?.table.tBodies[0].rows[place.row].cells[place.column + 2].firstElementChild.focus();
});
dialog.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  place.table.walk(place.row + step[0], place.column + step[1]);
});

document.querySelectorAll("table.sortable").forEach((table) => {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const text = head.classList.contains("text");
      const value = (row) => {
        const cell = row.cells[column];
        return text ? cell.textContent : Number.parseFloat(cell.dataset.value ?? "NaN");
      };
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return (text ? x.localeCompare(y) : x - y) * (descending ? -1 : 1);
      });
      table.tBodies[0].append(...rows);
    });
  });
});
