/** Reads the transport streams of one segment after the other, and tells what is wrong with each. */
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import { TsMediaReader } from '../../protocols/mpegts/media.ts';
import type { MediaInlet } from '../inlet.ts';

export type OnProblem = (code: string, detail: string, at: number) => void;

export class SegmentReader {
  readonly #ts: TsMediaReader;
  readonly #inlet: MediaInlet;
  readonly #onProblem: OnProblem;
  #sequence = Number.NaN;
  #announced = false;
  /** The first break of continuity counters in the segment. */
  #loss: string | undefined;
  /** What had been counted when the segment began. */
  #unitsBefore = 0;
  #unreferencedBefore = 0;

  constructor(inlet: MediaInlet, onProblem: OnProblem) {
    this.#inlet = inlet;
    this.#onProblem = onProblem;
    this.#ts = new TsMediaReader(inlet, (pid, expected, actual) => {
      this.#loss ??= `PID ${pid}: continuity counter ${expected} was due, ${actual} came`;
    });
  }

  begin(sequence: number): void {
    this.#sequence = sequence;
    this.#announced = false;
    this.#loss = undefined;
    this.#unitsBefore = this.#ts.units;
    this.#unreferencedBefore = this.#ts.reader.unreferenced;
  }

  /** What comes next does not go on where the last segment ended. */
  reset(): void {
    this.#ts.reset();
  }

  /** Throws ProtocolError. */
  push(bytes: Uint8Array, start: number, end: number, at: number): void {
    if (!this.#announced) {
      this.#announced = true;
      this.#inlet.segment(this.#sequence);
    }
    this.#ts.push(bytes, start, end, at);
  }

  /** All of it has come. Throws ProtocolError. */
  end(at: number): void {
    this.#ts.end(at);
    if (this.#ts.units === this.#unitsBefore) {
      throw new ProtocolError(ProtocolErrorCode.TsSection, 'a PMT with H.264 or audio that comes', 'neither');
    }
    const unreferenced = this.#ts.reader.unreferenced - this.#unreferencedBefore;
    if (unreferenced === 0) return;
    const detail = `segment ${this.#sequence}: ${unreferenced} packets of PIDs that its PMT does not name`;
    this.#onProblem('mpegts.unreferenced', detail, at);
  }

  /** The transfer is over, well or not: what was lost in it is told, once. */
  settle(at: number): void {
    const loss = this.#loss;
    if (loss === undefined) return;
    this.#loss = undefined;
    this.#onProblem('mpegts.continuity', `segment ${this.#sequence}, ${loss}`, at);
  }
}
