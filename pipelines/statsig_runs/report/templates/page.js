"use strict";
(() => {
  const tip = document.getElementById("tip");
  const shown = { cursor: null, segment: null, again: null };
  const plots = new Map();

  // names are put in as text, never as markup
  const show = (title, lines, x, y) => {
    const head = document.createElement("b");
    const name = document.createElement("bdi");
    name.textContent = title;
    head.append(name);
    tip.replaceChildren(head, ...lines.map((line) => {
      const row = document.createElement("div");
      row.textContent = line;
      return row;
    }));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(8, Math.min(x + 12, innerWidth - box.width - 8)) + "px";
    tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(8, y - box.height - 10) : y + 18) + "px";
  };
  const hide = () => {
    tip.hidden = true;
    shown.cursor?.remove();
    shown.segment?.classList.remove("now");
    shown.again = null;
  };
  const corner = (node) => {
    const box = node.getBoundingClientRect();
    return [box.left, box.bottom - 14];
  };

  // times
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const zone = local.resolvedOptions().timeZone;
  const times = [...document.querySelectorAll("time[datetime]")];
  const utc = new Map(times.map((time) => [time, time.textContent]));
  const button = document.getElementById("local");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      button.textContent = on ? "Show UTC" : "Show my time zone";
      document.getElementById("zone").textContent = on ? `Times are those of ${zone}; dates and days stay UTC.` : "All times are UTC.";
      for (const time of times) time.textContent = on ? local.format(new Date(time.dateTime)) : utc.get(time);
    });
  }
  const asOf = document.querySelector(".asof time");
  if (asOf) {
    const hours = (Date.now() - new Date(asOf.dateTime)) / 36e5;
    const age = document.getElementById("age");
    const [number, unit] = hours < 1 ? [hours * 60, "minute"] : hours < 48 ? [hours, "hour"] : [hours / 24, "day"];
    if (hours >= 0) age.textContent = `, ${new Intl.RelativeTimeFormat("en").format(-Math.round(number), unit)}`;
    if (hours > 24) age.className = "stale";
  }

  // what a place on the page has to tell
  const tell = (target, x, y) => {
    hide();
    const time = target.closest("time[datetime]");
    if (time) return show(local.format(new Date(time.dateTime)), [`${zone}`, `${utc.get(time)} UTC`], x, y);
    const cell = target.closest(".grid td");
    if (cell) {
      const day = cell.closest("table").tHead.rows[0].cells[cell.cellIndex].abbr;
      return show(cell.parentNode.cells[0].textContent, [day, ...cell.ariaLabel.split("; ")], x, y);
    }
    const bar = target.closest(".bars rect:not(.w)");
    if (bar) {
      const row = bar.closest("tr");
      const bars = [...bar.parentNode.querySelectorAll("rect:not(.w)")];
      shown.segment = row.querySelectorAll("i")[bars.indexOf(bar)];
      shown.segment.classList.add("now");
      return show(row.cells[0].textContent, [shown.segment.textContent], x, y);
    }
  };
  const point = (x, y) => {
    const target = document.elementFromPoint(x, y);
    const plot = plots.get(target?.closest(".plot"));
    if (plot) plot(x, y);
    else if (target) tell(target, x, y);
    shown.again = () => point(x, y);
  };
  document.addEventListener("mousemove", (event) => point(event.clientX, event.clientY));
  document.addEventListener("mouseleave", hide);
  document.addEventListener("click", (event) => {
    if (event.target.closest(".grid td, .bars rect, .plot")) point(event.clientX, event.clientY);
  });
  document.addEventListener("focusout", hide);
  // what lies under the pointer has changed then; what has the focus has moved
  addEventListener("scroll", () => (shown.again ?? hide)(), { passive: true, capture: true });
  addEventListener("keydown", (event) => event.key === "Escape" && hide());

  // the grid: one stop for the Tab key, arrows from there
  for (const table of document.querySelectorAll(".grid")) {
    const cellAt = (row, column) => table.tBodies[0].rows[row]?.cells[column];
    const first = cellAt(0, table.tHead.rows[0].cells.length - 1);
    if (!first) continue;
    table.setAttribute("role", "grid");
    first.tabIndex = 0;
    table.addEventListener("focusin", (event) => {
      const cell = event.target.closest("td");
      const again = () => {
        tell(cell, ...corner(cell));
        shown.again = again;
      };
      if (cell) again();
    });
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td");
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      const next = cell && step && cellAt(cell.parentNode.sectionRowIndex + step[0], cell.cellIndex + step[1]);
      if (!next || next.tagName !== "TD") return;
      event.preventDefault();
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }
  const newest = () => document.querySelectorAll(".grid-box").forEach((box) => { box.scrollLeft = box.scrollWidth; });
  newest();
  document.addEventListener("toggle", (event) => event.target.matches(".month") && newest(), true);

  // charts: the rows of the table beneath tell what lies under the pointer
  for (const plot of document.querySelectorAll(".plot")) {
    const table = plot.parentNode.querySelector("table");
    const rows = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells].slice(1).map((head) => head.textContent);
    const { left, width } = plot.dataset;
    let at = rows.length - 1;
    const tellRow = (index, y) => {
      at = Math.max(0, Math.min(index, rows.length - 1));
      hide();
      const box = plot.getBoundingClientRect();
      const x = box.width * (Number(left) + Number(width) * Number(rows[at].dataset.x));
      shown.cursor = document.createElement("div");
      shown.cursor.className = "cursor";
      shown.cursor.style.left = `${x}px`;
      plot.append(shown.cursor);
      const [label, ...values] = [...rows[at].cells].map((cell) => cell.textContent);
      show(label, values.map((value, n) => `${heads[n]}: ${value}`), box.left + x, y ?? box.top + box.height / 2);
      if (y === undefined) shown.again = () => tellRow(at);
    };
    plots.set(plot, (x, y) => {
      const box = plot.getBoundingClientRect();
      const share = ((x - box.left) / box.width - Number(left)) / Number(width);
      let best = 0;
      rows.forEach((row, n) => { if (Math.abs(row.dataset.x - share) < Math.abs(rows[best].dataset.x - share)) best = n; });
      tellRow(best, y);
    });
    plot.addEventListener("focus", () => plot.matches(":focus-visible") && tellRow(at));
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { event.preventDefault(); tellRow(at + step); }
    });
  }

  // a link to a run opens what it lies in
  const open = () => {
    for (let node = document.getElementById(location.hash.slice(1)); node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
    }
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  };
  addEventListener("hashchange", open);
  if (location.hash) open();
})();
