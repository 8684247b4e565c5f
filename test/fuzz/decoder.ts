/** What fuzzing needs to know of a decoder. */

/**
 * How an input reaches it: as one piece; as a stream that is cut anywhere; as datagrams, each of them changed for
 * itself.
 */
export const Arrival = { whole: 'whole', stream: 'stream', datagrams: 'datagrams' } as const;
export type Arrival = (typeof Arrival)[keyof typeof Arrival];

export interface Decoder {
  readonly name: string;
  readonly arrival: Arrival;
  /** Captures and what our encoders write, which inputs are made of. Asked for once. */
  readonly seeds: () => readonly Uint8Array[];
  /** Put into inputs here and there. Default none. */
  readonly tokens?: readonly string[];
  /** What it may throw besides ProtocolError. Default nothing. */
  readonly errors?: readonly (abstract new (
    ...args: never[]
  ) => Error)[];
  /** Of a thousand inputs that many at least are read without an error, or the seeds are wrong. Default 10. */
  readonly readPerThousand?: number;
  /** Decodes one input from the beginning. */
  readonly decode: (pieces: readonly Uint8Array[]) => void;
}

export const latin1 = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString('latin1');
export const utf8 = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString();
