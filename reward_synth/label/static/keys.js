// What keys do. Keys that are held down step through time, and answer once.

const ANSWERS = { arrowdown: "tie", "=": "tie", t: "tie", s: "skip" };
const SIDES = { arrowleft: "0", arrowright: "1" }; // of two

// acts: by key, what it does; answer(name): gives an answer; undo(): takes the last one back.
export function listen({ acts, stepping, answer, escape, asked }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const field = event.target.closest("input, select, textarea");
    if (event.key === "Escape") return escape(field);
    const sliding = field?.type === "range" && event.key.startsWith("Arrow");
    if (sliding || (field && field.type !== "range")) return;
    const pressing = event.key === " " || event.key === "Enter";
    if (pressing && event.target.closest("button, summary, a")) return;
    const act = actOf(event.key.toLowerCase(), event.repeat);
    if (!act) return;
    event.preventDefault();
    act();
  });

  // What a pointer has pressed does not keep the focus: the next space plays and does not press.
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("button, input[type=range]");
    if (event.detail > 0 && pressed && document.activeElement === pressed) pressed.blur();
  });

  function actOf(key, repeated) {
    const sides = asked()?.clips.length === 2 ? SIDES : {};
    const name = ANSWERS[key] ?? sides[key] ?? (/^[1-9]$/.test(key) ? `${Number(key) - 1}` : undefined);
    if (asked() && stepping[key]) return stepping[key];
    const act = name === undefined ? acts[key] : asked() && (() => answer(name));
    return act && repeated ? () => {} : act;
  }
}
