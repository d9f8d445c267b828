// Answers on their way to the server. They are kept in this browser until the server has them: a
// page that is closed, a network that fails and a server that starts anew lose nothing. Each has
// an id, so that one that is sent twice is heard once.

const PATIENCE_MS = [500, 1000, 2000, 5000, 10000];

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What this browser keeps for this address; null where it keeps nothing.
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key, text) {
  try {
    localStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

export class Outbox {
  #key;
  #here = null; // where the browser keeps nothing, this page does
  #sending = null;
  #failures = 0;
  #heard;
  #refused;
  #changed;

  // heard(record, turn): the server has it. refused(record, reason): it will not have it.
  constructor(key, { heard, refused, changed }) {
    this.#key = key;
    this.#heard = heard;
    this.#refused = refused;
    this.#changed = changed;
  }

  get waiting() {
    return this.#here ?? JSON.parse(recall(this.#key) ?? "[]");
  }

  get failing() {
    return this.#failures > 0;
  }

  add(record) {
    this.#keep([...this.waiting, record]);
    return this.flush();
  }

  flush() {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  #keep(records) {
    this.#here = remember(this.#key, JSON.stringify(records)) ? null : records;
    this.#changed();
  }

  async #send() {
    for (let next; ([next] = this.waiting) && next; ) {
      const [status, body] = await post(next);
      if (status >= 500 || status === 0 || status === 403 || status === 421) {
        const pause = PATIENCE_MS[Math.min(this.#failures++, PATIENCE_MS.length - 1)];
        this.#changed();
        await new Promise((resolve) => setTimeout(resolve, pause));
        continue;
      }
      this.#failures = 0;
      this.#keep(this.waiting.filter((record) => record.id !== next.id));
      if (status === 200) this.#heard(next, body.turn);
      else this.#refused(next, body.error ?? `the server says ${status}`);
    }
  }
}

async function post(record) {
  try {
    const response = await fetch("/say", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(record),
    });
    return [response.status, await response.json()];
  } catch {
    return [0, {}];
  }
}
