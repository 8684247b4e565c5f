/** A publisher that leaves frames out, sends them twice or in the wrong order, and knows how often it did. */
import type { Publisher } from '../../drivers/client.ts';
import { createPublisher } from '../../drivers/create.ts';
import { isSequenceHeader } from '../../protocols/flv/body.ts';
import { MediaType } from '../../protocols/media.ts';

export const DOCTORINGS = ['left out', 'twice', 'swapped'] as const;
export type Doctoring = (typeof DOCTORINGS)[number];

/** Video frames from one that is spoiled to the next. */
const EVERY = 10;
/** A keyframe is left as it is: nobody could join at it. */
const KEYFRAME = 1;

export class Doctored {
  readonly doctoring: Doctoring;
  /** Frames are spoiled while it is true. */
  active = false;
  /** So many have been: two that were swapped are one. */
  count = 0;
  #frames = 0;
  #held: { timestamp: number; body: Uint8Array } | undefined;

  constructor(doctoring: Doctoring) {
    this.doctoring = doctoring;
  }

  readonly create: typeof createPublisher = (url, options, observer) =>
    this.around(createPublisher(url, options, observer));

  /** What it sends from now on is spoiled on the way. */
  around(client: Publisher): Publisher {
    const send = client.send.bind(client);
    client.send = (type, timestamp, body) =>
      type === MediaType.video && !isSequenceHeader(type, body)
        ? this.#video(send, timestamp, body)
        : send(type, timestamp, body);
    return client;
  }

  #video(send: Publisher['send'], timestamp: number, body: Uint8Array): boolean {
    const pass = (at: number, bytes: Uint8Array): boolean => send(MediaType.video, at, bytes);
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      // Timestamps stay in order, so that no server has a reason to mend it.
      pass(held.timestamp, body);
      return pass(timestamp, held.body);
    }
    const due = this.active && ++this.#frames >= EVERY && body[0]! >> 4 !== KEYFRAME;
    if (!due) return pass(timestamp, body);
    this.#frames = 0;
    this.count++;
    switch (this.doctoring) {
      case 'left out':
        return true;
      case 'twice':
        pass(timestamp, body);
        return pass(timestamp + 1, body);
      case 'swapped':
        this.#held = { timestamp, body: body.slice() };
        return true;
    }
  }
}
