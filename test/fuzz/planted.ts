/** Decoders with defects, by which fuzzing is seen to find what it is for. */
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import { Arrival, type Decoder } from './decoder.ts';

/** A type, a length, and so many bytes. */
const record = Uint8Array.of(7, 3, 1, 2, 3);

/** @param defect what happens to a record of type 7 whose length is above 200. */
function planted(name: string, defect: (bytes: Uint8Array) => void): Decoder {
  return {
    name,
    arrival: Arrival.whole,
    seeds: () => [record],
    decode([bytes]) {
      if (bytes![0] !== 7) throw new ProtocolError(ProtocolErrorCode.FlvTag, 'type 7', `${bytes![0]}`);
      if (bytes!.length > 1 && bytes![1]! > 200) defect(bytes!);
    },
  };
}

function burn(ms: number): void {
  const { user } = process.cpuUsage();
  while (process.cpuUsage().user - user < ms * 1000);
}

const kept: Uint8Array[] = [];

export const DECODERS: readonly Decoder[] = [
  planted('sound', () => {}),
  planted('crash', (bytes) => {
    throw new TypeError(`length ${bytes[1]}`);
  }),
  planted('slow', () => burn(12)),
  planted('hang', () => {
    for (;;);
  }),
  planted('growth', () => kept.push(new Uint8Array(1 << 18))),
  { ...planted('vacuous', () => {}), seeds: () => [Uint8Array.of(8)] },
];
