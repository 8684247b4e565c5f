/** Mutants of a pull that has broken off and is resumed. */
import { type Frame, FrameKind } from './frame.ts';
import type { Mutants } from './mutants.ts';
import type { Stream } from './stream.ts';

/** Mutant: how long players may wait for a frame. */
const STALL_MS = 1000;

export class PullDefects {
  readonly #mutants: Mutants;
  #gop: Frame[] = [];
  #stale: Frame[] = [];
  #resumed = false;
  #stall: NodeJS.Timeout | undefined;

  constructor(mutants: Mutants) {
    this.#mutants = mutants;
  }

  /** What players get instead of the frame. */
  pass(frame: Frame, streams: readonly Stream[], push: (frame: Frame) => void): void {
    if (this.#mutants.has('edge-closes-players-with-stall')) {
      clearTimeout(this.#stall);
      this.#stall = setTimeout(() => closePlayers(streams), STALL_MS);
    }
    if (this.#mutants.has('edge-resumes-with-stale-gop')) this.#keep(frame, push);
    push(frame);
    if (this.#resumed && this.#mutants.has('edge-doubles-after-resume')) push(frame);
  }

  /** A pull that carried media has ended, and its players wait. */
  onBroken(streams: readonly Stream[]): void {
    this.#resumed = true;
    this.#stale = this.#gop;
    this.#gop = [];
    clearTimeout(this.#stall);
    if (this.#mutants.has('edge-closes-players-with-origin')) closePlayers(streams);
  }

  #keep(frame: Frame, push: (frame: Frame) => void): void {
    if (frame.kind === FrameKind.keyframe) {
      for (const old of this.#stale) push(old);
      this.#stale = [];
      this.#gop = [];
    }
    if (frame.isVideo) this.#gop.push(frame);
  }
}

function closePlayers(streams: readonly Stream[]): void {
  for (const { fanouts } of streams) {
    for (const { socket } of [...fanouts.rtmp.players(), ...fanouts.flv.players()]) socket.destroy();
  }
}
