import { readFileSync } from 'node:fs';
import {
  compositionTime,
  isExVideo,
  isKeyframe,
  isSequenceHeader,
  soundFormat,
  videoCodec,
} from '../../../protocols/flv/body.ts';
import { FlvReader } from '../../../protocols/flv/reader.ts';
import { splitAnnexB } from '../../../protocols/h264/annexb.ts';
import { AnnexBScanner } from '../../../protocols/h264/annexb-scanner.ts';
import { annexBToAvcc, avccToAnnexB, splitAvcc } from '../../../protocols/h264/avcc.ts';
import { unescapeRbsp } from '../../../protocols/h264/nal.ts';
import { parseAvcConfig, parseSps } from '../../../protocols/h264/parameter-sets.ts';
import { AccessUnitScanner, insertStamp, isStamp } from '../../../protocols/h264/stamp.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';
import { adtsOfAac, annexBOfAvcc } from '../../../protocols/mpegts/from-flv.ts';
import { TsMediaReader } from '../../../protocols/mpegts/media.ts';
import { TS_PACKET_SIZE } from '../../../protocols/mpegts/reader.ts';
import { Arrival, type Decoder } from '../decoder.ts';

const file = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../fixtures/${name}`, import.meta.url)));

const MEDIA = 'media/av-480k.flv';
/** Sequence headers and some frames. */
const BEGINNING = 16 * 1024;

/** Bodies of FLV tags, each of one type. */
function bodiesOf(wanted: MediaType, count: number): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  const reader = new FlvReader({
    begin() {
      parts = [];
    },
    data: (_type, bytes, start, end) => parts.push(bytes.slice(start, end)),
    end: (type) => {
      if (type === wanted && bodies.length < count) bodies.push(new Uint8Array(Buffer.concat(parts)));
    },
  });
  reader.push(file(MEDIA));
  return bodies;
}

/** Video is read as players read it; a piece that is none of its buffer is a defect of the reader. */
function scannerSink(scanner: {
  begin(length: number): void;
  data(b: Uint8Array, s: number, e: number): void;
  end(): void;
}): MediaSink {
  return {
    begin: (type, _timestamp, length) => {
      if (type === MediaType.video) scanner.begin(length);
    },
    data: (type, bytes, start, end) => {
      if (!(start >= 0 && start <= end && end <= bytes.length)) throw new RangeError(`${start} to ${end}`);
      if (type === MediaType.video) scanner.data(bytes, start, end);
    },
    end: (type) => {
      if (type === MediaType.video) scanner.end();
    },
  };
}

const flv: Decoder = {
  name: 'flv',
  arrival: Arrival.stream,
  seeds: () => [file(MEDIA).slice(0, BEGINNING), file(MEDIA).slice(0, 600)],
  decode(pieces) {
    const reader = new FlvReader(scannerSink(new AccessUnitScanner()), { maxTagSize: 1 << 20 });
    for (const piece of pieces) reader.push(piece);
  },
};

const flvBody: Decoder = {
  name: 'flv-body',
  arrival: Arrival.whole,
  seeds: () => [...bodiesOf(MediaType.video, 8), ...bodiesOf(MediaType.audio, 4)],
  decode([body]) {
    isExVideo(body!);
    videoCodec(body!);
    soundFormat(body!);
    isKeyframe(body!);
    for (const type of [MediaType.video, MediaType.audio]) isSequenceHeader(type, body!);
    compositionTime(body!);
    insertStamp(body!, { stream: 1, frame: 1, sentAt: 1 });
  },
};

/** What the sequence header carries; read once. */
const configs = new Map<MediaType, Uint8Array>();
function headers(type: MediaType): Uint8Array {
  const config = configs.get(type) ?? bodiesOf(type, 1)[0]!.slice(type === MediaType.video ? 5 : 2);
  configs.set(type, config);
  return config;
}

const avcConfig: Decoder = {
  name: 'h264-config',
  arrival: Arrival.whole,
  seeds: () => [headers(MediaType.video)],
  decode([bytes]) {
    for (const sps of parseAvcConfig(bytes!).sps) {
      unescapeRbsp(sps);
      parseSps(sps);
    }
  },
};

const sps: Decoder = {
  name: 'h264-sps',
  arrival: Arrival.whole,
  seeds: () => [...parseAvcConfig(headers(MediaType.video)).sps],
  decode([bytes]) {
    parseSps(bytes!);
  },
};

const avcc: Decoder = {
  name: 'h264-avcc',
  arrival: Arrival.whole,
  seeds: () => bodiesOf(MediaType.video, 8).slice(1),
  decode([body]) {
    for (const nal of splitAvcc(body!, Math.min(5, body!.length))) isStamp(nal);
    avccToAnnexB(body!.subarray(5));
    annexBOfAvcc(body!, parseAvcConfig(headers(MediaType.video)), true);
  },
};

const aac: Decoder = {
  name: 'aac',
  arrival: Arrival.whole,
  seeds: () => bodiesOf(MediaType.audio, 4),
  decode([body]) {
    adtsOfAac(body!, body!.subarray(2, 4));
    adtsOfAac(body!, headers(MediaType.audio));
  },
};

const annexB: Decoder = {
  name: 'h264-annexb',
  arrival: Arrival.stream,
  seeds: () =>
    bodiesOf(MediaType.video, 8)
      .slice(1)
      .map((body) => avccToAnnexB(body.subarray(5))),
  decode(pieces) {
    const scanner = new AnnexBScanner();
    scanner.begin();
    for (const piece of pieces) scanner.data(piece, 0, piece.length);
    scanner.end();
    const whole = Buffer.concat(pieces);
    splitAnnexB(whole);
    annexBToAvcc(whole);
  },
};

const mpegts: Decoder = {
  name: 'mpegts',
  arrival: Arrival.stream,
  seeds: () => {
    const segment = file('captures/srs-7.0.18/hls-segment.ts.bin');
    return [segment.slice(0, 40 * TS_PACKET_SIZE), segment.slice(0, 5 * TS_PACKET_SIZE)];
  },
  decode(pieces) {
    const reader = new TsMediaReader(scannerSink(new AnnexBScanner()));
    for (const piece of pieces) reader.push(piece, 0, piece.length, 0);
    reader.end(0);
  },
};

export const mediaDecoders = [flv, flvBody, avcConfig, sps, avcc, aac, annexB, mpegts];
