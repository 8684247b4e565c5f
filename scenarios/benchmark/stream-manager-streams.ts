/** The streams of bench:stream-manager: which there are, at which origins, and what is asked about them. */

/** Streams that are unpublished and published again meanwhile, per second. */
export const CHANGES_PER_SECOND = 100;
/** One question in so many is for a stream that nobody has. */
const ABSENT_EVERY = 10;

export interface Place {
  readonly ip: string;
  readonly port: number;
}

/** The name of what is asked for, and where it is; undefined for what is nowhere. */
export interface Question {
  readonly stream: string;
  readonly place: Place | undefined;
}

export class Streams {
  readonly count: number;
  readonly origins: number;
  /** So many, the first ones, come and go: nobody asks for these. */
  readonly changing: number;

  constructor(count: number, origins: number) {
    this.count = count;
    this.origins = origins;
    this.changing = Math.min(CHANGES_PER_SECOND, Math.floor(count / 2));
  }

  placeOf(origin: number): Place {
    return { ip: `10.0.${origin >> 8}.${origin & 255}`, port: 1935 };
  }

  originOf(stream: number): number {
    return stream % this.origins;
  }

  nameOf(stream: number): string {
    return `stream-${stream}`;
  }

  /** In no order. */
  question(index: number): Question {
    if (index % ABSENT_EVERY === 0) return { stream: `nowhere-${index}`, place: undefined };
    const stream = this.changing + ((index * 7919) % (this.count - this.changing));
    return { stream: this.nameOf(stream), place: this.placeOf(this.originOf(stream)) };
  }
}
