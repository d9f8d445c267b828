// The timelines under the clips, and the form in which a stretch is called good or bad.

const CLICK_PX = 4; // a shorter way of the pointer is a click, which seeks

export class Strips {
  #player;
  #keep;
  #strips = [];
  #begun = null; // where "[" was pressed
  active = 0;

  // keep(place, {begin, end, value, category, text}): a stretch was marked.
  constructor(player, keep) {
    this.#player = player;
    this.#keep = keep;
    byId("mark").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    byId("mark-cancel").addEventListener("click", () => this.close());
    byId("mark-open").addEventListener("click", () => this.open(this.active));
    byId("mark-clip").addEventListener("change", (event) => this.activate(+event.target.value));
  }

  show(figures, letters) {
    this.close();
    this.#strips = figures.map((figure) => figure.querySelector(".strip"));
    this.#strips.forEach((strip, place) => this.#listen(strip, place));
    const options = letters.map((letter, place) => new Option(letter, place));
    byId("mark-clip").replaceChildren(...options);
    this.activate(0);
  }

  draw(place, marks) {
    const strip = this.#strips[place];
    strip.querySelectorAll(".stretch:not(.drawn)").forEach((old) => old.remove());
    for (const mark of marks) strip.append(this.#stretch(mark));
  }

  tick() {
    this.#grow();
    const share = this.#player.time / this.#player.duration;
    for (const strip of this.#strips) {
      strip.firstElementChild.style.left = `${100 * Math.min(share, 1)}%`;
    }
  }

  // The stretch that was begun, as far as the clips have played.
  #grow() {
    if (this.#begun === null || this.isOpen) return;
    const strip = this.#strips[this.active];
    const [begin, end] = [this.#begun, this.#player.time].sort((a, b) => a - b);
    strip.querySelector(".drawn")?.remove();
    strip.append(this.#stretch({ begin, end }));
  }

  activate(place) {
    this.active = place % Math.max(this.#strips.length, 1);
    this.#strips.forEach((strip, i) => {
      strip.parentElement.classList.toggle("active", i === this.active);
    });
    byId("mark-clip").value = this.active;
  }

  begin() {
    this.#begun = this.#player.time;
    if (this.isOpen) byId("mark-begin").value = this.#begun.toFixed(1);
    return this.#begun;
  }

  end() {
    const now = this.#player.time;
    this.open(this.active, Math.min(this.#begun ?? 0, now), Math.max(this.#begun ?? 0, now));
  }

  get isOpen() {
    return !byId("mark").hidden;
  }

  open(place, begin = null, end = null) {
    const { time, duration } = this.#player;
    this.activate(place);
    byId("mark-begin").value = (begin ?? Math.max(0, time - 0.5)).toFixed(1);
    byId("mark-end").value = (end ?? Math.min(duration, time + 0.5)).toFixed(1);
    byId("mark").hidden = false;
    byId("mark-category").focus();
  }

  close() {
    const form = byId("mark");
    const inside = form.contains(document.activeElement);
    form.reset();
    form.hidden = true;
    this.#begun = null;
    document.querySelectorAll(".stretch.drawn").forEach((old) => old.remove());
    if (inside) byId("mark-open").focus();
  }

  #submit() {
    const begin = Number(byId("mark-begin").value);
    const end = Number(byId("mark-end").value);
    if (!(begin < end)) {
      byId("mark-end").setCustomValidity("A stretch ends after it begins.");
      byId("mark-end").reportValidity();
      byId("mark-end").setCustomValidity("");
      return;
    }
    const value = Number(byId("mark").elements.merit.value);
    const category = byId("mark-category").value.trim();
    const text = byId("mark-text").value.trim();
    this.#keep(this.active, { begin, end, value, category, text });
    this.close();
  }

  #stretch({ begin, end, good, category }) {
    const stretch = document.createElement("span");
    stretch.className = `stretch ${good === undefined ? "drawn" : good ? "good" : "bad"}`;
    stretch.style.left = `${(100 * begin) / this.#player.duration}%`;
    stretch.style.width = `${(100 * (end - begin)) / this.#player.duration}%`;
    if (good !== undefined) stretch.textContent = good ? "+" : "−";
    if (category) stretch.title = category;
    return stretch;
  }

  #listen(strip, place) {
    strip.addEventListener("pointerdown", (down) => {
      down.preventDefault();
      strip.setPointerCapture(down.pointerId);
      const at = (event) => {
        const box = strip.getBoundingClientRect();
        const share = (event.clientX - box.left) / box.width;
        return Math.min(Math.max(share, 0), 1) * this.#player.duration;
      };
      const from = at(down);
      let drawn = null;
      const move = (event) => {
        if (!drawn && Math.abs(event.clientX - down.clientX) < CLICK_PX) return;
        drawn?.remove();
        const to = at(event);
        drawn = this.#stretch({ begin: Math.min(from, to), end: Math.max(from, to) });
        strip.append(drawn);
      };
      const up = (event) => {
        strip.removeEventListener("pointermove", move);
        if (!drawn) {
          this.#player.seek(from);
          return;
        }
        this.open(place, Math.min(from, at(event)), Math.max(from, at(event)));
      };
      strip.addEventListener("pointermove", move);
      strip.addEventListener("pointerup", up, { once: true });
    });
  }
}

function byId(id) {
  return document.getElementById(id);
}
