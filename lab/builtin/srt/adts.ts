/** AAC frames behind ADTS headers, as bodies of FLV audio tags (ISO/IEC 13818-7 section 6.2; FLV v10.1 E.4.2). */
import { AacPacketType } from '../../../protocols/flv/body.ts';

/** SoundFormat 10; 44 kHz, 16 bits, stereo, which AAC always says. */
const AAC = 0xaf;
const HEADER_SIZE = 7;
const CRC_SIZE = 2;
const SAMPLES_PER_BLOCK = 1024;
/** Of samplingFrequencyIndex. */
const FREQUENCIES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];

export interface AdtsFrame {
  /** Body of an audio tag. */
  readonly body: Uint8Array;
  /** Body of its sequence header: an AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1). */
  readonly config: Uint8Array;
  /** Since the first frame, in ms. */
  readonly offset: number;
}

/** The whole frames of a PES packet, up to the first that is none. */
export function splitAdts(bytes: Uint8Array): AdtsFrame[] {
  const frames: AdtsFrame[] = [];
  let offset = 0;
  let at = 0;
  while (at + HEADER_SIZE <= bytes.length) {
    const [b0, b1, b2, b3] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
    if (b0 !== 0xff || (b1 & 0xf6) !== 0xf0) break;
    const headerSize = HEADER_SIZE + ((b1 & 1) === 0 ? CRC_SIZE : 0);
    const size = ((b3 & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
    const frequencyIndex = (b2 >> 2) & 0x0f;
    const frequency = FREQUENCIES[frequencyIndex];
    const channels = ((b2 & 1) << 2) | (b3 >> 6);
    // Without a channel configuration the channels are told inside the frames, which a config of two bytes cannot.
    if (size <= headerSize || at + size > bytes.length || frequency === undefined || channels === 0) break;
    const body = new Uint8Array(2 + size - headerSize);
    body.set([AAC, AacPacketType.raw]);
    body.set(bytes.subarray(at + headerSize, at + size), 2);
    const objectType = (b2 >> 6) + 1;
    const asc = (objectType << 11) | (frequencyIndex << 7) | (channels << 3);
    const config = Uint8Array.of(AAC, AacPacketType.sequenceHeader, asc >> 8, asc);
    frames.push({ body, config, offset });
    offset += (((bytes[at + 6]! & 3) + 1) * SAMPLES_PER_BLOCK * 1000) / frequency;
    at += size;
  }
  return frames;
}
