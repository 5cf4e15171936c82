"use strict";
(() => {
  const root = document.documentElement;
  const table = document.getElementById("scenarios");
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  document.getElementById("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });
  if (!table) return;

  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const open = async (body, wanted) => {
    const opener = body.querySelector(".opener");
    const row = body.querySelector(".detail");
    const cell = row.firstElementChild;
    opener.setAttribute("aria-expanded", String(wanted));
    row.hidden = !wanted;
    if (!wanted || cell.dataset.filled) return;
    cell.dataset.filled = "yes";
    // The text was escaped when the page was written; the policy of the page runs no script but this one.
    cell.innerHTML = await unpack(document.getElementById("p" + body.id.slice(1)).textContent);
  };
  table.addEventListener("click", (event) => {
    const opener = event.target.closest(".opener");
    if (!opener) return;
    const body = opener.closest("tbody");
    const wanted = opener.getAttribute("aria-expanded") !== "true";
    if (wanted) history.replaceState(null, "", "#" + body.id);
    open(body, wanted);
  });

  const input = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const tiles = [...document.querySelectorAll("button.tile")];
  const bodies = [...table.tBodies];
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const results = tiles.filter((tile) => tile.getAttribute("aria-pressed") === "true").map((tile) => tile.dataset.result);
    let count = 0;
    for (const body of bodies) {
      const fits = (!results.length || results.includes(body.dataset.result)) && words.every((word) => body.dataset.words.includes(word));
      body.hidden = !fits;
      count += fits;
    }
    shown.value = count + " shown";
  };
  input.addEventListener("input", filter);
  for (const tile of tiles) {
    tile.addEventListener("click", () => {
      tile.setAttribute("aria-pressed", String(tile.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }

  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest(".sort");
    if (!button) return;
    const head = button.closest("th");
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (body) => body.rows[0].cells[Number(button.dataset.column)].dataset.value;
    const compare = "number" in button.dataset ? (a, b) => Number(value(a)) - Number(value(b)) : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true });
    bodies.sort((a, b) => (up ? compare(a, b) : compare(b, a)));
    table.append(...bodies);
  });

  const follow = () => {
    const body = /^#s\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
    if (body) open(body, true).then(() => body.scrollIntoView());
  };
  addEventListener("hashchange", follow);
  follow();
})();
