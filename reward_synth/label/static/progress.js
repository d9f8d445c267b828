// How far the run and the annotator are, and whether all that was said has arrived.

const byId = (id) => document.getElementById(id);
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export function showProgress(turn) {
  byId("progress").hidden = !turn;
  if (!turn) return;
  const { waiting, wanted, given, choices } = turn;
  byId("progress-words").textContent = stand(turn);
  byId("progress-bar").hidden = !waiting;
  byId("progress-bar").max = Math.max(wanted, 1);
  byId("progress-bar").value = given;
  const there = waiting ? `${given} of ${plural(wanted, "comparison")} for this generation. ` : "";
  byId("progress-mine").textContent = `${there}You have made ${plural(choices, "choice")} in this run.`;
  byId("enough").hidden = !turn.can_stop;
}

function stand({ waiting, heeded, over, wanted, given }) {
  if (waiting) return `The run waits for ${plural(Math.max(0, wanted - given), "more comparison")}.`;
  if (over) return "The search has ended. What you say now is kept, and decides nothing.";
  if (heeded) return "The run does not wait. What you say now counts after the next generation.";
  return "This run goes by fitness alone: answers are kept, and decide nothing.";
}

export function showUnsaved(outbox) {
  const count = outbox.waiting.length;
  const words = count === 1 ? "answer is" : "answers are";
  byId("unsaved").textContent =
    count && outbox.failing ? `${count} ${words} not saved yet, but kept here: trying again.` : "";
}
