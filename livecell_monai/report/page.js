"use strict";
(() => {
  const controls = document.querySelector(".controls");
  if (controls) {
    const toggles = [...document.querySelectorAll(".toggle")];
    const all = document.getElementById("all");
    controls.hidden = false;
    all.addEventListener("change", () => toggles.forEach((toggle) => { toggle.checked = all.checked; }));
    toggles.forEach((toggle) => toggle.addEventListener("change", () => {
      const shown = toggles.filter((one) => one.checked).length;
      all.checked = shown === toggles.length;
      all.indeterminate = shown > 0 && shown < toggles.length;
    }));
    const opacity = document.getElementById("opacity");
    const fade = () => document.documentElement.style.setProperty("--opacity", opacity.value / 100);
    opacity.addEventListener("input", fade);
    // a browser that comes back to the page keeps what was set
    fade();
    all.checked = toggles.every((toggle) => toggle.checked);
  }
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent.trim();
      const isNumber = head.classList.contains("number");
      // an image without a score comes last
      const value = (row) => text(row) === "" ? (down ? -Infinity : Infinity) : Number(text(row));
      const compare = (a, b) => isNumber ? value(a) - value(b) : text(a).localeCompare(text(b), "en", { numeric: true });
      const rows = [...table.tBodies[0].rows].sort((a, b) => (down ? compare(b, a) : compare(a, b)));
      table.tBodies[0].append(...rows);
    }));
  });
})();
