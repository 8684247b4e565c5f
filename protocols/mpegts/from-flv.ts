/** Bodies of FLV tags as what a transport stream carries: AVCC to Annex B, raw AAC to ADTS. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { AVC_HEADER_SIZE } from '../flv/body.ts';
import { joinAnnexB } from '../h264/annexb.ts';
import { splitAvcc } from '../h264/avcc.ts';
import { NalType, nalType } from '../h264/nal.ts';
import type { AvcConfig } from '../h264/parameter-sets.ts';

/** primary_pic_type 7, any slice type; rbsp_trailing_bits. */
const DELIMITER = Uint8Array.of(NalType.accessUnitDelimiter, 0xf0);

/** SoundFormat and AACPacketType. */
const AAC_HEADER_SIZE = 2;
const ADTS_HEADER_SIZE = 7;
/** aac_frame_length has 13 bits. */
const MAX_ADTS_FRAME = 0x1fff;

const AUDIO_OBJECT = { aacLc: 2, aacLtp: 4, sbr: 5, ps: 29 } as const;
/** samplingFrequencyIndex values from here on name no frequency. */
const RESERVED_FREQUENCY = 13;

/**
 * The access unit of an AVC body (NAL units, not a sequence header) as a byte stream: a delimiter, the parameter sets
 * if asked for, then the NAL units in their order, so the stamp stays before the first slice. Delimiters of the
 * body's own are left out, and parameter sets are not added to a body that has an SPS.
 * @throws ProtocolError NalLength
 */
export function annexBOfAvcc(body: Uint8Array, avcConfig: AvcConfig, withParameterSets: boolean): Uint8Array {
  const nals = splitAvcc(
    body,
    Math.min(AVC_HEADER_SIZE, body.length),
    body.length,
    avcConfig.lengthSize,
  ).filter((nal) => nalType(nal[0]!) !== NalType.accessUnitDelimiter);
  const own = nals.some((nal) => nalType(nal[0]!) === NalType.sps);
  const sets = withParameterSets && !own ? [...avcConfig.sps, ...avcConfig.pps] : [];
  return joinAnnexB([DELIMITER, ...sets, ...nals]);
}

/**
 * The raw frame of an AAC body (not a sequence header) behind an ADTS header without CRC (ISO/IEC 13818-7 section 6.2).
 * @param audioSpecificConfig what the sequence header carries after its first two bytes (ISO/IEC 14496-3 section
 *   1.6.2.1). HE-AAC is announced as the AAC-LC that it contains, as ADTS has no other way.
 * @throws ProtocolError AacConfig when ADTS cannot say it: object types above AAC-LTP, frequencies without an index,
 *   channels by program_config_element, frames above 8191 bytes.
 */
export function adtsOfAac(body: Uint8Array, audioSpecificConfig: Uint8Array): Uint8Array {
  const { objectType, frequencyIndex, channels } = parseConfig(audioSpecificConfig);
  const raw = body.subarray(AAC_HEADER_SIZE);
  const length = ADTS_HEADER_SIZE + raw.length;
  if (length > MAX_ADTS_FRAME) throw unfit(`a frame of at most ${MAX_ADTS_FRAME} bytes`, length);
  const adts = new Uint8Array(length);
  adts[0] = 0xff;
  // MPEG-4, layer 0, protection_absent.
  adts[1] = 0xf1;
  adts[2] = ((objectType - 1) << 6) | (frequencyIndex << 2) | (channels >> 2);
  adts[3] = ((channels & 3) << 6) | (length >> 11);
  adts[4] = length >> 3;
  // adts_buffer_fullness 0x7ff: variable bit rate.
  adts[5] = ((length & 7) << 5) | 0x1f;
  adts[6] = 0xfc;
  adts.set(raw, ADTS_HEADER_SIZE);
  return adts;
}

interface AacConfig {
  readonly objectType: number;
  readonly frequencyIndex: number;
  readonly channels: number;
}

function parseConfig(bytes: Uint8Array): AacConfig {
  if (bytes.length < 2) throw unfit('an AudioSpecificConfig of 2 bytes or more', bytes.length);
  const bits = (bytes[0]! << 16) | (bytes[1]! << 8) | (bytes[2] ?? 0);
  const objectType = bits >> 19;
  const frequencyIndex = (bits >> 15) & 0x0f;
  const channels = (bits >> 11) & 0x0f;
  if (frequencyIndex >= RESERVED_FREQUENCY) {
    throw unfit('a samplingFrequencyIndex from 0 to 12', frequencyIndex);
  }
  if (channels < 1 || channels > 7) throw unfit('a channelConfiguration from 1 to 7', channels);
  const extended = objectType === AUDIO_OBJECT.sbr || objectType === AUDIO_OBJECT.ps;
  if (!extended && (objectType < 1 || objectType > AUDIO_OBJECT.aacLtp)) {
    throw unfit('an audioObjectType from 1 to 4, 5 or 29', objectType);
  }
  return { objectType: extended ? AUDIO_OBJECT.aacLc : objectType, frequencyIndex, channels };
}

function unfit(expected: string, actual: number): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.AacConfig, expected, String(actual));
}
