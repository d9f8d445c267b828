// What stands beside the question: the state of the run and who has said what, looked at now and
// then while the page is seen. All HTML here was made, and escaped, by the server.

const EVERY_MS = 3000;
const shown = new Map(); // part of the page -> {address, tag} of what it shows

export function watch(who, look) {
  const all = () => Promise.all([look(), people(who()), run()]);
  const again = async () => {
    if (!document.hidden) await all().catch(() => {}); // the server is away: next time
    setTimeout(again, EVERY_MS);
  };
  again();
  document.addEventListener("visibilitychange", () => document.hidden || all().catch(() => {}));
  document.addEventListener("click", about);
}

export async function people(who) {
  if (!who) return;
  const text = await changed("people", `/people?who=${encodeURIComponent(who)}`);
  if (text !== null) document.getElementById("people").innerHTML = text;
}

async function run() {
  const text = await changed("run", "/run");
  if (text === null) return;
  const parts = document.createElement("template");
  parts.innerHTML = text;
  for (const name of ["best", "tree"]) {
    const place = document.getElementById(`run-${name}`);
    const open = [...place.querySelectorAll("details")].map((details) => details.open);
    const part = parts.content.querySelector(`[data-part=${name}]`);
    part?.querySelectorAll("details").forEach((details, i) => {
      details.open = open[i] ?? details.open;
    });
    place.replaceChildren(...(part ? [part] : []));
  }
}

// Text for a part of the page that does not show it yet, or null.
async function changed(part, address) {
  const before = shown.get(part);
  const headers = before?.address === address ? { "If-None-Match": before.tag } : {};
  const response = await fetch(address, { headers, cache: "no-store" });
  if (response.status !== 200) return null;
  shown.set(part, { address, tag: response.headers.get("ETag") });
  return response.text();
}

// A candidate of the tree, in a dialog.
async function about(event) {
  const link = event.target.closest('a[href^="#g"]');
  if (!link) return;
  event.preventDefault();
  const response = await fetch(`/candidate/${link.getAttribute("href").slice(1)}`);
  if (!response.ok) return;
  document.getElementById("about-content").innerHTML = await response.text();
  const dialog = document.getElementById("about");
  if (!dialog.open) dialog.showModal();
}
