/** Transport streams as bytes (ISO/IEC 13818-1 section 2.4.3): one program, H.264 and AAC in ADTS. */
import { encodePesHeader, modulo33 } from './pes.ts';
import { encodePat, encodePmt, type ProgramStream, StreamType } from './psi.ts';
import { PAT_PID, SYNC_BYTE, TS_PACKET_SIZE } from './reader.ts';

export interface TsWriterOptions {
  /** Default: those of SRS, PMT 0x1001, video 0x100, audio 0x101. */
  pids?: { readonly pmt: number; readonly video: number; readonly audio: number };
  /** program_number. Default 1. */
  program?: number;
  /** What the PMT names. Default both; `tables` may be told otherwise. */
  streams?: TsStreams;
}

export interface TsStreams {
  readonly video: boolean;
  readonly audio: boolean;
}

/** stream_id of the first video and the first audio stream (table 2-21). */
const VIDEO_STREAM_ID = 0xe0;
const AUDIO_STREAM_ID = 0xc0;

const PACKET_HEADER_SIZE = 4;
const PACKET_ROOM = TS_PACKET_SIZE - PACKET_HEADER_SIZE;
/** adaptation_field_length, flags and a PCR. */
const PCR_FIELD_SIZE = 8;
/**
 * Continuity counters go on from call to call, so one writer makes all segments of a stream: `tables` and then what
 * belongs to a segment, which is a file that can be played by itself.
 */
export class TsWriter {
  readonly #pids: { readonly pmt: number; readonly video: number; readonly audio: number };
  readonly #program: number;
  readonly #streams: TsStreams;
  /** The next continuity_counter of each PID. */
  readonly #counters = new Map<number, number>();
  /** Streams of the tables that were written last. */
  #present: TsStreams;

  constructor(options: TsWriterOptions = {}) {
    this.#pids = options.pids ?? { pmt: 0x1001, video: 0x100, audio: 0x101 };
    this.#program = options.program ?? 1;
    this.#streams = options.streams ?? { video: true, audio: true };
    this.#present = this.#streams;
  }

  /**
   * PAT and PMT, a packet each. The PCR is in the video, without video in the audio.
   * @param streams what the PMT names. Default: as the writer was made.
   */
  tables(streams: TsStreams = this.#streams): Uint8Array {
    this.#present = streams;
    const { pmt, video, audio } = this.#pids;
    const named: ProgramStream[] = [];
    if (streams.video) named.push({ pid: video, streamType: StreamType.h264 });
    if (streams.audio) named.push({ pid: audio, streamType: StreamType.adts });
    const pcrPid = streams.video ? video : audio;
    const out = new Uint8Array(2 * TS_PACKET_SIZE);
    this.#section(out, 0, PAT_PID, encodePat({ program: this.#program, pmtPid: pmt }));
    this.#section(out, TS_PACKET_SIZE, pmt, encodePmt(this.#program, { pcrPid, streams: named }));
    return out;
  }

  /**
   * One access unit as one PES packet. Its first packet carries the PCR, which is the DTS.
   * @param accessUnit Annex B, its access unit delimiter first (section 2.14.1 wants one).
   * @param pts90 90 kHz; 33 bits of it are written.
   * @param key sets random_access_indicator.
   */
  video(accessUnit: Uint8Array, pts90: number, dts90: number, key: boolean): Uint8Array {
    const header = encodePesHeader(VIDEO_STREAM_ID, accessUnit.length, pts90, dts90, true);
    return this.#packets(this.#pids.video, header, accessUnit, key, dts90);
  }

  /**
   * ADTS frames as one PES packet.
   * @param adts one or more frames, at most 65 527 bytes: its PES_packet_length must tell.
   * @throws RangeError above that.
   */
  audio(adts: Uint8Array, pts90: number): Uint8Array {
    const header = encodePesHeader(AUDIO_STREAM_ID, adts.length, pts90, pts90, false);
    const pcr = this.#present.video ? undefined : pts90;
    return this.#packets(this.#pids.audio, header, adts, true, pcr);
  }

  #section(out: Uint8Array, at: number, pid: number, section: Uint8Array): void {
    this.#packetHeader(out, at, pid, true, false);
    out.fill(0xff, at + PACKET_HEADER_SIZE, at + TS_PACKET_SIZE);
    out[at + PACKET_HEADER_SIZE] = 0;
    out.set(section, at + PACKET_HEADER_SIZE + 1);
  }

  #packets(
    pid: number,
    header: Uint8Array,
    payload: Uint8Array,
    access: boolean,
    pcr: number | undefined,
  ): Uint8Array {
    const size = header.length + payload.length;
    const firstField = pcr !== undefined ? PCR_FIELD_SIZE : access ? 2 : 0;
    const count = Math.ceil((firstField + size) / PACKET_ROOM);
    const out = new Uint8Array(count * TS_PACKET_SIZE);
    let left = size;
    let taken = 0;
    for (let at = 0; at < out.length; at += TS_PACKET_SIZE) {
      const first = at === 0;
      const field = Math.max(first ? firstField : 0, PACKET_ROOM - left);
      this.#packetHeader(out, at, pid, first, field > 0);
      let to = at + PACKET_HEADER_SIZE;
      if (field > 0) {
        adaptationField(out, to, field, first && access, first ? pcr : undefined);
        to += field;
      }
      if (first) {
        out.set(header, to);
        to += header.length;
      }
      const take = at + TS_PACKET_SIZE - to;
      out.set(payload.subarray(taken, taken + take), to);
      taken += take;
      left -= PACKET_ROOM - field;
    }
    return out;
  }

  #packetHeader(out: Uint8Array, at: number, pid: number, unitStart: boolean, adaptation: boolean): void {
    const counter = this.#counters.get(pid) ?? 0;
    this.#counters.set(pid, (counter + 1) & 0x0f);
    out[at] = SYNC_BYTE;
    out[at + 1] = (unitStart ? 0x40 : 0) | (pid >> 8);
    out[at + 2] = pid;
    out[at + 3] = (adaptation ? 0x30 : 0x10) | counter;
  }
}

/** An adaptation field of `size` bytes, its length byte included; what it does not need is stuffing. */
function adaptationField(
  out: Uint8Array,
  at: number,
  size: number,
  access: boolean,
  pcr: number | undefined,
): void {
  out[at] = size - 1;
  if (size === 1) return;
  out[at + 1] = (access ? 0x40 : 0) | (pcr === undefined ? 0 : 0x10);
  let stuffing = at + 2;
  if (pcr !== undefined) {
    const base = modulo33(pcr);
    const high = Math.floor(base / 2);
    out[at + 2] = high >>> 24;
    out[at + 3] = high >>> 16;
    out[at + 4] = high >>> 8;
    out[at + 5] = high;
    // program_clock_reference_extension 0 behind six reserved bits.
    out[at + 6] = ((base % 2) << 7) | 0x7e;
    out[at + 7] = 0;
    stuffing = at + PCR_FIELD_SIZE;
  }
  out.fill(0xff, stuffing, at + size);
}
