/** Losses of SRT on one link, both ways, that are the same in every run. */
import { seededRandom } from '../../../lab/taps/udp-faults.ts';
import { readLossReport } from '../../../protocols/srt/control.ts';
import { ControlType, controlTypeOf, isControl, sequenceOf } from '../../../protocols/srt/packet.ts';
import { sequenceAdd, sequenceDistance } from '../../../protocols/srt/sequence.ts';

const SHARE = 0.05;

/**
 * Which packets are lost is decided by the seed and by what they are, not by when they come, nor by how many
 * acknowledgements went before: of data its number from the first one on, and how often it was sent before; of a loss
 * report the numbers in it, and how often each was reported before; of all else how many of its kind went before.
 */
export class SeededLosses {
  readonly #seed: number;
  readonly #times = new Map<string, number>();
  #first: number | undefined;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Data flows one way, so that both directions of a link are one set of losses. */
  readonly lose = (packet: Uint8Array): boolean => {
    if (!isControl(packet)) {
      this.#first ??= sequenceOf(packet);
      return this.#dataIsLost(this.#indexOf(sequenceOf(packet)), this.#next('data', sequenceOf(packet)));
    }
    const type = controlTypeOf(packet);
    if (type !== ControlType.nak) return this.#happens(type, 0, this.#next('control', type));
    // One of several numbers is not lost with those of others.
    let lost = true;
    readLossReport(packet, (first, last) => {
      for (let at = 0; at <= sequenceDistance(first, last); at++) {
        const sequence = sequenceAdd(first, at);
        const isLost = this.#reportIsLost(this.#indexOf(sequence), this.#next('report', sequence));
        lost = lost && isLost;
      }
    });
    return lost;
  };

  /**
   * How many loss reports a data packet needs until it has come; 0 for one that is not lost. It may do with fewer, where it
   * was reported together with others.
   */
  rounds(index: number): number {
    let sent = 0;
    let reported = 0;
    while (this.#dataIsLost(index, sent++)) while (this.#reportIsLost(index, reported++));
    return reported;
  }

  #indexOf(sequence: number): number {
    return sequenceDistance(this.#first ?? sequence, sequence);
  }

  /** How often it was asked for before. */
  #next(kind: string, number: number): number {
    const key = `${kind} ${number}`;
    const times = this.#times.get(key) ?? 0;
    this.#times.set(key, times + 1);
    return times;
  }

  #dataIsLost(index: number, time: number): boolean {
    return this.#happens(DATA, index, time);
  }

  #reportIsLost(index: number, time: number): boolean {
    return this.#happens(REPORT, index, time);
  }

  #happens(kind: number, index: number, time: number): boolean {
    const mixed =
      Math.imul(this.#seed, 0x9e3779b1) ^
      Math.imul(kind + 1, 0x85ebca6b) ^
      Math.imul(index + 1, 0xc2b2ae35) ^
      Math.imul(time + 1, 0x27d4eb2f);
    return seededRandom(mixed)() < SHARE;
  }
}

/** Beyond all control types (draft section 3.2). */
const DATA = 0x10000;
const REPORT = 0x10001;
