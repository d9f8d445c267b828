// The details of a candidate in a panel beside the tree. Without this script the same links
// lead to the sections further down. All HTML here was made, and escaped, with the page.
(() => {
  "use strict";
  const bodies = JSON.parse(document.getElementById("bodies").textContent);
  const panel = document.getElementById("panel");
  const content = document.getElementById("panel-content");
  const title = document.getElementById("panel-title");
  const order = [...document.querySelectorAll(".candidate > .body")].map((body) => body.id);
  const nodes = new Map([...document.querySelectorAll(".tree a.node")].map((n) => [target(n), n]));
  const lines = [...document.querySelectorAll(".tree .line")];
  let shown = "";
  let opener = null;

  function target(link) {
    return link.getAttribute("href").slice(1);
  }

  function whole(id) {
    return Object.hasOwn(bodies, id) ? bodies[id] : document.getElementById(id).innerHTML;
  }

  function show(id, from) {  // from: the link, to which the focus returns
    if (!shown) opener = from ?? null;
    shown = id;
    title.textContent = id;
    content.innerHTML = whole(id);
    panel.hidden = false;
    panel.scrollTop = 0;
    document.body.classList.add("inspecting");
    mark();
    rove(id);
    title.focus({ preventScroll: true });
  }

  function hide() {
    panel.hidden = true;
    content.textContent = "";
    document.body.classList.remove("inspecting");
    const back = nodes.get(shown) ?? opener;
    shown = "";
    mark();
    back?.focus();
  }

  // Marks the shown candidate's nodes and the lines of its ancestors.
  function mark() {
    for (const link of document.querySelectorAll("a.node, a.point")) {
      if (target(link) === shown) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const ancestors = new Set([shown]);
    for (const line of lines.toReversed?.() ?? [...lines].reverse()) {
      const leads = shown !== "" && ancestors.has(line.dataset.c);
      line.classList.toggle("on", leads);
      if (leads && !line.classList.contains("donor")) ancestors.add(line.dataset.p);
    }
  }

  function beside(id, by) {
    return order[order.indexOf(id) + by];
  }

  // One stop of the tab key for the whole tree; arrow keys move in it.
  function rove(id) {
    if (!nodes.has(id)) return;
    for (const node of nodes.values()) node.setAttribute("tabindex", "-1");
    nodes.get(id).setAttribute("tabindex", "0");
  }

  function nearest(from, key) {
    const at = from.getBoundingClientRect();
    const along = key === "ArrowLeft" || key === "ArrowRight" ? "x" : "y";
    const ahead = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
    let best = null;
    let least = Infinity;
    for (const node of nodes.values()) {
      const place = node.getBoundingClientRect();
      const dx = place.x - at.x;
      const dy = place.y - at.y;
      const forward = ahead * (along === "x" ? dx : dy);
      const aside = Math.abs(along === "x" ? dy : dx);
      if (forward < 8 || (along === "x" && aside > 8)) continue;
      const distance = along === "x" ? forward : 1e4 * forward + aside;
      if (distance < least) [best, least] = [node, distance];
    }
    return best;
  }

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest('a[href^="#"]');
    if (!link || !order.includes(target(link))) return;
    event.preventDefault();
    show(target(link), link);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shown) return hide();
    const node = event.target.closest?.(".tree a.node");
    if (!node || !event.key.startsWith("Arrow")) return;
    const next = nearest(node, event.key);
    if (!next) return;
    event.preventDefault();
    rove(target(next));
    next.focus();
  });

  panel.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.by === undefined) return hide();
    const next = beside(shown, Number(button.dataset.by));
    if (next) show(next);
  });

  document.addEventListener(
    "toggle",
    (event) => {
      const body = event.target.open && event.target.querySelector?.(":scope > .body");
      if (body && Object.hasOwn(bodies, body.id)) body.innerHTML = bodies[body.id];
    },
    true,
  );

  rove(document.querySelector(".tree a.node.best, .tree a.node")?.getAttribute("href").slice(1));
  if (order.includes(location.hash.slice(1))) show(location.hash.slice(1));
})();
