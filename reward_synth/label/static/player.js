// Several videos that play as one: they begin together, wait for each other where one has not
// arrived yet, and begin anew when the longest has ended.

const SPEEDS = [1, 0.5, 0.25];
const FRAME_S = 1 / 30;
const APART_S = 0.1; // further apart than that, clips are brought together
const REST_MS = 400; // at the end, before all begin anew
const POOL = 16; // videos kept loaded, shown or to come

export class Player {
  #pool = new Map(); // address -> video; the one used last comes last
  #videos = [];
  #speed = 0;
  #rests = 0; // until when, at the end
  #changed;

  playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;

  constructor(changed) {
    this.#changed = changed;
    const tick = () => {
      this.#together();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  // A video that loads as a whole, before it is shown.
  load(address) {
    let video = this.#pool.get(address);
    if (video?.error) {
      this.forget(address);
      video = undefined;
    }
    if (!video) {
      video = document.createElement("video");
      video.muted = true;
      video.playsInline = true;
      video.preload = "auto";
      video.disablePictureInPicture = true;
      video.src = address;
    }
    this.#pool.delete(address);
    this.#pool.set(address, video);
    for (const [old, other] of this.#pool) {
      if (this.#pool.size <= POOL) break;
      if (!this.#videos.includes(other) && other !== video) this.forget(old);
    }
    return video;
  }

  forget(address) {
    const video = this.#pool.get(address);
    this.#pool.delete(address);
    video?.remove();
    video?.removeAttribute("src");
    video?.load(); // lets go of what was loaded
  }

  show(videos) {
    for (const video of this.#videos) video.pause();
    this.#videos = videos;
    this.#rests = 0;
    for (const video of videos) {
      video.currentTime = 0;
      video.playbackRate = SPEEDS[this.#speed];
    }
  }

  get duration() {
    return Math.max(0.1, ...this.#videos.map((v) => v.duration).filter(Number.isFinite));
  }

  get time() {
    return Math.max(0, ...this.#videos.map((video) => video.currentTime));
  }

  get speed() {
    return SPEEDS[this.#speed];
  }

  // Whether there is something to see of each.
  get ready() {
    return this.#videos.length > 0 && this.#videos.every((video) => video.readyState >= 2);
  }

  toggle(playing = !this.playing) {
    this.playing = playing;
    this.#rests = 0;
    if (playing && this.#ended()) this.seek(0);
  }

  slower() {
    this.#speed = (this.#speed + 1) % SPEEDS.length;
    for (const video of this.#videos) video.playbackRate = this.speed;
  }

  seek(time) {
    this.#rests = 0;
    const at = Math.min(Math.max(time, 0), this.duration);
    for (const video of this.#videos) {
      video.currentTime = Math.min(at, Number.isFinite(video.duration) ? video.duration : at);
    }
  }

  step(frames) {
    this.toggle(false);
    this.seek(this.time + frames * FRAME_S);
  }

  #working() {
    return this.#videos.filter((video) => !video.error);
  }

  #ended() {
    const working = this.#working();
    return working.length > 0 && working.every((video) => video.ended);
  }

  #together() {
    const working = this.#working();
    if (this.#ended() && this.playing) {
      this.#rests ||= performance.now() + REST_MS;
      if (performance.now() >= this.#rests) this.seek(0);
    }
    const going = working.filter((video) => !video.ended && !video.seeking);
    const arrived = working.every((video) => video.ended || video.readyState >= 3);
    const play = this.playing && arrived && !this.#rests && !document.hidden;
    for (const video of working) {
      if (play && video.paused && !video.ended) video.play().catch(() => {});
      if (!play && !video.paused) video.pause();
    }
    const lead = Math.max(0, ...going.map((video) => video.currentTime));
    for (const video of play ? going : []) {
      if (lead - video.currentTime > APART_S && lead < video.duration) video.currentTime = lead;
    }
    this.#changed();
  }
}
