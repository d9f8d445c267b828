// The buttons below the clips.

let focused = null; // the answer whose button had the focus, until there are buttons to press again

const WORDS = { pair: "better", best: "the best", worst: "the worst" };

export function showAnswers({ kind, clips }, letters) {
  const pair = kind === "pair";
  const choices = clips.map((_, place) => {
    const key = clips.length === 2 ? "←→"[place] : `${place + 1}`;
    return button(`${place}`, `${letters[place]} is ${WORDS[kind]}`, key, "choice");
  });
  if (pair) choices.splice(1, 0, button("tie", "alike", "↓", "choice tie"));
  const row = document.createElement("div");
  row.className = `choices ${pair ? "pair" : `n${choices.length}`}`;
  row.append(...choices);
  const others = document.createElement("div");
  others.className = "others";
  others.append(button("skip", "Skip", "S", ""), button("undo", "Undo", "U", ""));
  keepFocus();
  document.getElementById("answers").replaceChildren(row, others);
  others.querySelector(`[data-answer="${focused}"]`)?.focus();
}

export function enableAnswers(able) {
  for (const choice of document.querySelectorAll("#answers .choice")) choice.disabled = !able;
  if (!able) return;
  const nowhere = document.activeElement === document.body;
  if (nowhere) document.querySelector(`#answers [data-answer="${focused}"]`)?.focus();
  focused = null;
}

// Until the next question: an answer that was given cannot be given again, but taken back.
export function holdAnswers() {
  keepFocus(); // a button that is disabled loses it
  for (const one of document.querySelectorAll("#answers button")) {
    if (one.dataset.answer !== "undo") one.disabled = true;
  }
}

function keepFocus() {
  focused = document.activeElement?.dataset.answer ?? focused;
}

function button(answer, text, key, kind) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = kind;
  made.dataset.answer = answer;
  made.disabled = kind.includes("choice"); // until there is something to see
  const hint = document.createElement("kbd");
  hint.textContent = key;
  made.append(text, " ", hint);
  return made;
}
