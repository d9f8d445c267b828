// The question, its answers, and what comes next. An answer is shown as given at once: the next
// clips are there already, and the answer travels while they play.

import { enableAnswers, holdAnswers, showAnswers } from "./answers.js";
import { listen } from "./keys.js";
import { people, watch } from "./live.js";
import { newId, Outbox, recall, remember } from "./outbox.js";
import { Player } from "./player.js";
import { showProgress, showUnsaved } from "./progress.js";
import { Strips } from "./strips.js";

const byId = (id) => document.getElementById(id);
const LETTERS = "ABCDEFGHIJ";
const GLANCE_MS = 300;
const QUESTIONS = {
  pair: "Which does it better?",
  best: "Which does it best?",
  worst: "Which does it worst?",
};

const player = new Player(() => tick());
const strips = new Strips(player, keepStretch);
let who = "";
let outbox = null;
let turn = null; // what the server said last; undefined fields never
let asked = null; // the question that is shown
let ahead = null; // {asked, then}: what comes after each answer, for one question
let since = 0; // when the question could be seen
let enabled = null;
const NOTHING = {
  early: "The first policies are in training. They are shown here by themselves when there are two.",
  done: "What the next generation brings is shown here by itself. This page may stay open, or be opened again tomorrow.",
  over: "You have compared all that there is. Thank you.",
};
const undoing = new Map(); // id of a record that takes back -> the question it was an answer to

// ---- who

function enter(name) {
  who = name.trim().replace(/\s+/g, " ");
  remember("reward-synth-label-who", who);
  const here = new URL(location);
  here.searchParams.set("who", who);
  history.replaceState(null, "", here);
  byId("name").hidden = true;
  byId("me").hidden = false;
  byId("my-name").textContent = who;
  outbox = new Outbox(`reward-synth-label ${document.body.dataset.run} ${who}`, {
    heard,
    refused: (_, reason) => say(`Not kept: ${reason}`),
    changed: () => showUnsaved(outbox),
  });
  asked = turn = ahead = null;
  people(who).catch(() => {});
  outbox.flush().then(look).catch(() => {}); // what an earlier page could not send
}

function askName() {
  byId("question").textContent = "Who are you?";
  byId("stage").hidden = true;
  byId("nothing").hidden = true;
  byId("me").hidden = true;
  byId("name").hidden = false;
  byId("name-input").value = who;
  byId("name-input").focus();
}

byId("name").addEventListener("submit", (event) => {
  event.preventDefault();
  if (byId("name-input").value.trim()) enter(byId("name-input").value);
});
byId("rename").addEventListener("click", askName);

// ---- the question

// Asks the server where things stand. A question that is being looked at is not exchanged.
async function look() {
  if (!who || outbox.waiting.length) return;
  const name = who;
  const response = await fetch(`/turn?who=${encodeURIComponent(who)}`);
  if (!response.ok) return say((await response.json()).error);
  const found = (await response.json()).turn;
  if (name !== who || outbox.waiting.length) return;
  arrive(found);
}

function arrive(found) {
  turn = found;
  showProgress(turn);
  if (!asked || (faulty() && mended(turn?.asked))) show(turn?.asked ?? null);
  if (asked && !ahead) lookAhead();
}

// Whether a question can be seen better than the one that is shown, or is another.
function mended(question) {
  const faults = (one) => one.clips.map((clip) => clip.fault).join();
  return !question || !same(question, asked) || faults(question) !== faults(asked);
}

// While the clips are looked at; whoever answers at a glance waits for the server instead.
async function lookAhead() {
  const shown = asked;
  ahead = { asked: null, then: {} };
  await new Promise((resolve) => setTimeout(resolve, GLANCE_MS));
  if (asked !== shown) return;
  const response = await fetch(`/ahead?who=${encodeURIComponent(who)}`).catch(() => null);
  if (!response?.ok || asked !== shown) return;
  ahead = await response.json();
  for (const next of Object.values(ahead.then)) {
    for (const clip of next?.clips ?? []) if (!clip.fault) player.load(clip.video);
  }
}

function show(question) {
  asked = question;
  ahead = null;
  since = 0;
  enabled = null;
  byId("stage").hidden = !question;
  byId("nothing").hidden = Boolean(question);
  if (!question) {
    player.show([]);
    byId("question").textContent = turn ? "Nothing to ask you just now" : "Nothing to show yet";
    byId("nothing").textContent = NOTHING[!turn ? "early" : turn.over ? "over" : "done"];
    return;
  }
  byId("question").textContent = QUESTIONS[question.kind];
  const figures = question.clips.map(figureOf);
  byId("clips").className = `clips n${question.clips.length}`;
  byId("clips").replaceChildren(...figures);
  strips.show(figures, question.clips.map((_, place) => LETTERS[place]));
  player.show(question.clips.filter((c) => !c.fault).map((c) => player.load(c.video)));
  showAnswers(question, LETTERS);
  showAbout();
  question.clips.forEach((_, place) => showMarks(place));
}

function figureOf(clip, place) {
  const figure = byId("clip-template").content.cloneNode(true).firstElementChild;
  const letter = LETTERS[place];
  figure.querySelector(".letter").textContent = letter;
  const fault = (reason) => {
    figure.querySelector(".fault").hidden = false;
    figure.querySelector(".fault p").textContent = reason;
    enabled = null;
  };
  figure.querySelector(".retry").addEventListener("click", () => again(clip));
  if (clip.fault) {
    fault(clip.fault);
    return figure;
  }
  const video = player.load(clip.video);
  video.setAttribute("aria-label", `Clip ${letter}`);
  const broken = () => {
    clip.broken = true;
    fault("The video of this one does not play.");
  };
  if (video.error) broken();
  video.onerror = broken;
  video.onloadedmetadata = () => showMarks(place);
  figure.querySelector(".screen").prepend(video);
  return figure;
}

function again(clip) {
  player.forget(clip.video);
  clip.broken = false;
  const before = asked;
  asked = null;
  look().then(() => asked ?? show(before), () => show(before));
}

const faulty = () => asked.clips.some((clip) => clip.fault || clip.broken);

byId("answers").addEventListener("click", (event) => {
  const name = event.target.closest("button")?.dataset.answer;
  if (name === "undo") undo();
  else if (name) answer(name);
});

function tick() {
  if (!asked) return;
  if (!since && player.ready) since = performance.now();
  const able = Boolean(since) && !faulty();
  if (able !== enabled) {
    enabled = able;
    enableAnswers(able);
    byId("stage").setAttribute("aria-busy", String(!since && !faulty()));
  }
  byId("seek").max = player.duration.toFixed(2);
  if (document.activeElement !== byId("seek") || player.playing) byId("seek").value = player.time;
  byId("time").textContent = `${player.time.toFixed(1)} s`;
  byId("play").classList.toggle("paused", !player.playing);
  byId("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  strips.tick();
}

// ---- saying something

function send(record) {
  const whole = { id: newId(), who, ...record };
  outbox.add(whole).catch(() => {});
  return whole;
}

function answer(name) {
  if (!asked || strips.isOpen) return;
  const skip = name === "skip";
  if (!skip && (!since || faulty())) return;
  if (name === "tie" && asked.kind !== "pair") return;
  const clips = asked.clips.map((clip) => clip.clip);
  const place = Number(name);
  if (!skip && name !== "tie" && !(place < clips.length)) return;
  const reason = byId("words-about").value === "why" ? byId("words-text").value.trim() : "";
  if (reason) byId("words-text").value = "";
  const before = asked;
  send({
    kind: skip ? "skip" : asked.kind,
    shown: clips,
    answer: skip || name === "tie" ? [] : [clips[place].candidate],
    text: reason,
    seconds: since ? Math.round(performance.now() - since) / 1000 : null,
  });
  const next = ahead?.asked && same(ahead.asked, before) ? ahead.then[name] : undefined;
  const words = skip ? "Skipped" : byId("answers").querySelector(`[data-answer="${name}"]`).firstChild.data;
  say(`${words[0].toUpperCase()}${words.slice(1).trimEnd()}.`);
  if (next) show(next);
  else wait();
}

// Until the server says what comes next.
function wait() {
  asked = ahead = null;
  player.show([]);
  byId("stage").setAttribute("aria-busy", "true");
  holdAnswers();
}

function heard(record, found) {
  if (record.who !== who) return; // somebody else sits here now
  turn = found;
  showProgress(turn);
  if (record.kind === "undo") {
    const back = undoing.get(record.id);
    if (back) show(back);
    else forget(record.undoes);
    undoing.delete(record.id);
  }
  if (outbox.waiting.length) return;
  if (!asked) show(turn?.asked ?? null);
  if (asked && !ahead) lookAhead();
}

async function undo() {
  await outbox.flush();
  const last = turn?.last;
  if (!last) return say("There is nothing to take back.");
  say(`Taken back: ${last.words}.`);
  const id = newId();
  undoing.set(id, last.asked);
  send({ id, kind: "undo", undoes: last.id });
}

function keepStretch(place, { begin, end, value, category, text }) {
  const clip = asked.clips[place];
  const shown = [{ ...clip.clip, begin, end }];
  const { id } = send({ kind: "segment", shown, value, category, text });
  clip.marks.push({ id, begin, end, good: value === 1, category, text });
  showMarks(place);
  say(`${LETTERS[place]}, ${begin.toFixed(1)} to ${end.toFixed(1)} s, is ${value === 1 ? "good" : "bad"}.`);
}

byId("words").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("words-text").value.trim();
  const about = byId("words-about").value;
  if (!text || !asked) return;
  byId("words-text").blur();
  if (about === "why") return say("These words go along with your answer.");
  const clip = asked.clips[Number(about)];
  const { id } = send({ kind: "text", shown: clip ? [clip.clip] : [], text });
  byId("words-text").value = "";
  if (clip) {
    clip.texts.push({ id, text });
    showMarks(Number(about));
  }
  say(clip ? `Said of ${LETTERS[about]}.` : "Said of the task.");
});

// What was taken back no longer stands under a clip.
function forget(id) {
  asked?.clips.forEach((clip, place) => {
    clip.marks = clip.marks.filter((mark) => mark.id !== id);
    clip.texts = clip.texts.filter((text) => text.id !== id);
    showMarks(place);
  });
}

byId("enough").addEventListener("click", () => {
  send({ kind: "enough" });
  say("The run goes on with what was said.");
});

// ---- what is shown of it

function showAbout() {
  const options = asked.clips.map((_, place) => new Option(`about ${LETTERS[place]}`, place));
  const about = byId("words-about");
  about.replaceChildren(new Option("with my answer", "why"), ...options, new Option("about the task", "task"));
}

function showMarks(place) {
  const clip = asked?.clips[place];
  const figure = byId("clips").children[place];
  if (!clip || !figure) return;
  strips.draw(place, clip.marks);
  const notes = [
    ...clip.marks.map((mark) => {
      const words = [mark.category, mark.text].filter(Boolean).join(": ");
      return `${mark.good ? "+" : "−"} ${mark.begin.toFixed(1)}–${mark.end.toFixed(1)} s ${words}`;
    }),
    ...clip.texts.map(({ text }) => `“${text}”`),
  ];
  figure.querySelector("figcaption").replaceChildren(
    ...notes.map((text) => {
      const line = document.createElement("span");
      line.textContent = text;
      return line;
    }),
  );
}

function say(text) {
  byId("status").textContent = text;
}

const ids = (clips) => clips.map((clip) => (clip.clip ?? clip).candidate);
const same = (one, other) => one.kind === other.kind && `${ids(one.clips)}` === `${ids(other.clips)}`;

// ---- hands

byId("play").addEventListener("click", () => player.toggle());
byId("back").addEventListener("click", () => player.step(-1));
byId("forth").addEventListener("click", () => player.step(1));
byId("speed").addEventListener("click", slower);
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("seek").addEventListener("input", (event) => {
  player.toggle(false);
  player.seek(Number(event.target.value));
});

function slower() {
  player.slower();
  byId("speed").textContent = { 1: "1×", 0.5: "½×", 0.25: "¼×" }[player.speed];
  byId("speed").setAttribute("aria-label", `Speed: ${player.speed}`);
}

listen({
  acts: {
    " ": () => asked && player.toggle(),
    m: slower,
    u: undo,
    backspace: undo,
    n: () => byId("words-text").focus(),
    "?": () => byId("keys").showModal(),
    "[": () => asked && say(`A stretch of ${letter()} begins at ${strips.begin().toFixed(1)} s; ] ends it.`),
    "]": () => asked && strips.end(),
    c: () => {
      strips.activate(strips.active + 1);
      say(`Marks are of ${letter()}.`);
    },
  },
  stepping: {
    ",": () => player.step(-1),
    ".": () => player.step(1),
    j: () => player.seek(player.time - 0.5),
    l: () => player.seek(player.time + 0.5),
  },
  answer,
  escape: (field) => (strips.isOpen ? strips.close() : field?.blur()),
  asked: () => asked,
});

const letter = () => LETTERS[strips.active];

// ---- begin

const given =
  new URL(location).searchParams.get("who") ?? recall("reward-synth-label-who");
if (given?.trim()) enter(given);
else askName();
watch(() => who, look);
