/**
 * Which numbered frames came: every one, once, in order? Exact, and without memory of its own as long as the
 * answer is yes. Frames before the first one that came are none of this client's.
 */

/** Holes that are remembered for frames that come late. More at once is not disorder but loss. */
const MAX_HOLES = 64;

/** Plain fields: written for every frame of every client. */
export class Continuity {
  /** Holes that were not filled. */
  missing = 0;
  duplicated = 0;
  /** Came after a frame with a higher number. */
  reordered = 0;
  /** The publisher was another one than before: numbers start anew. */
  restarts = 0;
  stream = -1;
  last = -1;
  private first = -1;
  /** Pairs of first and last frame that did not come, ascending. */
  private holes: number[] | undefined = undefined;

  /**
   * @param stream the publisher's id.
   * @param frame its number.
   */
  frame(stream: number, frame: number): void {
    if (stream !== this.stream) this.restart(stream, frame);
    else if (frame === this.last + 1) this.last = frame;
    else if (frame > this.last) {
      this.hole(this.last + 1, frame - 1);
      this.last = frame;
    } else this.late(frame);
  }

  private restart(stream: number, frame: number): void {
    if (this.stream !== -1) this.restarts++;
    this.stream = stream;
    this.first = frame;
    this.last = frame;
    this.holes = undefined;
  }

  private hole(from: number, to: number): void {
    this.missing += to - from + 1;
    this.holes ??= [];
    if (this.holes.length === 2 * MAX_HOLES) this.holes.splice(0, 2);
    this.holes.push(from, to);
  }

  private late(frame: number): void {
    if (frame < this.first) {
      this.reordered++;
      if (frame + 1 < this.first) {
        this.missing += this.first - frame - 1;
        this.holes ??= [];
        if (this.holes.length < 2 * MAX_HOLES) this.holes.unshift(frame + 1, this.first - 1);
      }
      this.first = frame;
      return;
    }
    const holes = this.holes ?? [];
    for (let at = 0; at < holes.length; at += 2) {
      const from = holes[at]!;
      const to = holes[at + 1]!;
      if (frame < from || frame > to) continue;
      this.reordered++;
      this.missing--;
      const rest: number[] = [];
      if (from < frame) rest.push(from, frame - 1);
      if (frame < to) rest.push(frame + 1, to);
      holes.splice(at, 2, ...rest);
      return;
    }
    this.duplicated++;
  }
}
