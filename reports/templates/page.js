"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const three = (value) => value.toFixed(3);
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// Show one picture of a strip: a strip holds all pictures of a shot in one image.
const ofStrip = (uri, index, count, alt) => {
  const image = make("img", { src: uri, alt, className: "strip pixels" });
  image.style.objectPosition = `${(100 * index) / Math.max(1, count - 1)}% 0`;
  return image;
};
const figure = (kind, image, caption) =>
  make("figure", { className: kind }, image, make("figcaption", { textContent: caption }));

const dialog = document.getElementById("picture");
let place = null; // { table, row, column } of the cell that the dialog shows

document.querySelectorAll(".images").forEach((table, image_table) => {
  const { columns, strips, kinds, beside } = data[image_table];
  // Each photograph has a row, and rows of companions below it.
  const photos = [...table.querySelectorAll(".photo")];
  const rows = photos.length;
  const cell = (row, column) => photos[row]?.cells[column + 2]?.firstElementChild;
  const companions = Object.fromEntries(["recoloured", "fitted"].map((kind) =>
    [kind, [...table.querySelectorAll(`.companion[data-kind=${kind}]`)]]));
  const companion = (row, column, kind) => companions[kind][row]?.cells[column + 1]?.firstElementChild;
  // Current shot of each column. The initial cells are raw outputs, and companions, of the shot shown first.
  const at = columns.map((column) => column.at);
  const ofCells = (imageAt) => columns.map((_, column) =>
    Array.from({ length: rows }, (_, row) => imageAt(row, column)?.src));
  const first = {
    colorized: ofCells((row, column) => cell(row, column).firstElementChild),
    recoloured: ofCells((row, column) => companion(row, column, "recoloured")),
    fitted: ofCells((row, column) => companion(row, column, "fitted")),
  };
  const stops = columns.flatMap((column, i) => column.shots.map((_, shot) => [i, shot]));
  const bar = document.querySelectorAll(".bar")[image_table];
  const slider = bar.querySelector("[type=range]");
  const output = bar.querySelector("output");
  const large = document.querySelectorAll(".large")[image_table];
  const scroller = table.parentElement;
  // The enlarged column stands beside the table; where it does not fit, it would be far below.
  const fit = () => {
    large.hidden = false;
    large.hidden = large.parentElement.offsetTop > scroller.offsetTop + scroller.offsetHeight / 2;
  };
  let kind = "colorized";

  const shotOf = (column) => columns[column].shots[at[column]];
  const aimsOf = (shot) => JSON.stringify(shot.aims.map((aim) => [aim.control, aim.target]));
  // The picture of a kind as [URI, index in its strip]; null if there is none.
  const pictureOf = (row, column, shot, wanted) => {
    const strip = shot.strips[wanted];
    if (strip === undefined) return null;
    return strip === null ? [first[wanted][column][row], 0] : [strips[strip], row];
  };
  const put = (image, picture, alt) => {
    image.hidden = !picture;
    if (!picture) return;
    [image.src, image.alt] = [picture[0], alt];
    image.style.objectPosition = `${(100 * picture[1]) / Math.max(1, rows - 1)}% 0`;
  };
  const framed = (row, column, shot, wanted, caption) => {
    const picture = pictureOf(row, column, shot, wanted);
    if (!picture) return [];
    const image = make("img", { className: "strip pixels" });
    put(image, picture, caption);
    return [figure("one", image, caption)];
  };

  const paint = (column) => {
    const shot = shotOf(column);
    // A trial without control has no target: show its raw output for every kind.
    const shown = shot.aims.length ? kind : "colorized";
    const head = table.querySelector(`[data-column="${column}"]`);
    head.querySelectorAll(".aim").forEach((element, i) => {
      const aim = shot.aims[i];
      element.querySelector("b").textContent = aim.wanted;
      const got = element.querySelector(".got");
      if (got) got.textContent = aim.got[shown] ? `got ${aim.got[shown]}` : "";
      const hue = element.querySelector(".hue");
      if (hue) hue.style.background = `hsl(${Math.round(aim.target * 360)} 80% 50%)`;
    });
    head.querySelector(".star").hidden = !shot.best;
    for (let row = 0; row < rows; row++) {
      const button = cell(row, column);
      const picture = pictureOf(row, column, shot, shown);
      const more = shown === "colorized" ? "" : `, ${kinds[shown]}`;
      put(button.firstElementChild, picture, `Picture ${row + 1}, ${shot.label}${more}`);
      button.classList.toggle("none", !picture);
      if (picture) button.removeAttribute("aria-label");
      else button.setAttribute("aria-label", `Picture ${row + 1}, ${shot.label}${more}: not available`);
      for (const [wanted, name] of Object.entries(beside)) {
        const image = companion(row, column, wanted);
        if (image) put(image, pictureOf(row, column, shot, wanted), `Picture ${row + 1}, ${shot.label}, ${name}`);
      }
    }
  };

  const slide = () => {
    const [column, shot] = stops[Number(slider.value)];
    const aims = aimsOf(columns[column].shots[shot]);
    at[column] = shot;
    columns.forEach((other, i) => {
      const same = other.shots.findIndex((one) => aimsOf(one) === aims);
      if (i !== column && same >= 0) at[i] = same;
      paint(i);
    });
    table.querySelectorAll(".at").forEach((other) => other.classList.remove("at"));
    const head = table.querySelector(`[data-column="${column}"]`);
    head.classList.add("at");
    const [place, view] = [head.getBoundingClientRect(), scroller.getBoundingClientRect()];
    // The originals stay at the left edge.
    const left = view.left + photos[0].cells[0].offsetWidth;
    scroller.scrollLeft += Math.max(0, place.right - view.right) - Math.max(0, left - place.left);
    const { sentence } = columns[column].shots[shot];
    output.textContent = sentence;
    slider.setAttribute("aria-valuetext", sentence);
    for (let row = 0; row < rows; row++) {
      const shown = large.children[row] ?? large.appendChild(make("img", { className: "pixels" }));
      const image = cell(row, column).firstElementChild;
      [shown.src, shown.alt, shown.hidden] = [image.src, image.alt, image.hidden];
      shown.style.objectPosition = image.style.objectPosition;
    }
  };
  slider.addEventListener("input", slide);
  bar.querySelectorAll("[type=radio]").forEach((radio) => {
    radio.addEventListener("change", () => { kind = radio.value; slide(); });
  });

  const open = (row, column) => {
    place = { table, row, column };
    const trial = columns[column];
    const shot = shotOf(column);
    const [original, grey] = [...photos[row].querySelectorAll("img")].map((i) => i.src);
    const plain = (src, caption) =>
      figure("one", make("img", { src, alt: caption, className: "strip pixels" }), caption);
    const of = (wanted, caption) => framed(row, column, shot, wanted, caption);
    const pictures = [
      plain(grey, "grayscale"), plain(original, "original"), ...of("fitted", "original moved to the target"),
      ...of("colorized", `colorized: ${shot.label}`), ...of("exact", "after exact control"),
      ...of("recoloured", "without control, recoloured"),
    ];
    const exact = shot.numbers[row].some((n) => n.exact);
    const numbers = shot.numbers[row].map((n) =>
      make("tr", {}, ...[n.control, n.wanted, n.achieved, ...(exact ? [n.exact] : []), n.reachable, n.original]
        .map((text, i) => i ? make("td", { textContent: text })
          : make("th", { textContent: text, className: "text", scope: "row" }))));
    const heads = ["this picture", "wanted", "achieved", ...(exact ? ["exact"] : []), "reachable", "original"];
    const stages = shot.stages.map((stage) =>
      figure("stage", ofStrip(stage.strip, row, rows, `at step ${stage.step}`), `step ${stage.step}`));
    const last = framed(row, column, shot, "colorized", `step ${trial.step}`);
    last.forEach((it) => { it.className = "stage"; });
    const targets = trial.shots.length < 2 ? [] : trial.shots.flatMap((one) => {
      const picture = pictureOf(row, column, one, kind);
      if (!picture) return [];
      const image = make("img", { className: "strip pixels" });
      put(image, picture, one.label);
      return [figure("stage", image, one.aims.map((aim) => aim.wanted).join(", "))];
    });
    dialog.querySelector(".body").replaceChildren(
      make("h2", { textContent: `Picture ${row + 1}, ${shot.label}` }),
      make("div", { className: pictures.length > 4 ? "row many" : "row" }, ...pictures),
      ...(targets.length
        ? [make("h3", { textContent: `At every target, ${kinds[kind]}` }), make("div", { className: "row targets" }, ...targets)]
        : []),
      ...(numbers.length
        ? [make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Numbers of this picture" },
            make("table", { className: "numbers" },
              make("thead", {}, make("tr", {}, ...heads
                .map((text, i) => make("th", { textContent: text, scope: "col", className: i ? "" : "text" })))),
              make("tbody", {}, ...numbers)))]
        : []),
      make("p", {}, `Mean absolute difference from the original: ${three(shot.mae[row])}. `,
        make("a", { href: `#${trial.anchor}`, textContent: "All numbers of this trial", onclick: () => { place = null; dialog.close(); } })),
      ...(stages.length
        ? [make("h3", { textContent: "Training progress" }), make("div", { className: "row" }, ...stages, ...last)]
        : []),
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
    const td = button.parentElement;
    const row = photos.indexOf(td.parentElement);
    move(row, td.cellIndex - 2);
    open(row, td.cellIndex - 2);
  });
  table.addEventListener("keydown", (event) => {
    const button = event.target.closest("button");
    const step = STEPS[event.key];
    if (!button || !step) return;
    const td = button.parentElement;
    const next = td.cellIndex - 2 + step[1] >= 0
      && move(photos.indexOf(td.parentElement) + step[0], td.cellIndex - 2 + step[1]);
    if (next) { next.focus(); event.preventDefault(); }
  });
  // Step in the dialog to the next picture, or to the next target of this trial or the next trial.
  table.walk = (row, column, across) => {
    const stop = stops.findIndex(([i, shot]) => i === column && shot === at[column]) + across;
    if (row < 0 || row >= rows || stop < 0 || stop >= stops.length) return;
    if (across) { slider.value = stop; slide(); }
    const next = stops[stop][0];
    move(row, next);
    open(row, next);
  };
  slide();
  fit();
  window.addEventListener("resize", fit);
});

dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  place?.table.querySelectorAll(".photo")[place.row].cells[place.column + 2].firstElementChild.focus();
});
dialog.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  place.table.walk(place.row + step[0], place.column, step[1]);
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
