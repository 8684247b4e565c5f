/** From a record to findings, as every run has them. */
import type { BrowserPlay, Finding } from '../../reports/results.ts';
import type { Judgement } from '../check.ts';
import { type BrowserFigures, figuresOf } from './figures.ts';
import { judgeBrowser, REQUIREMENTS, type Requirement } from './judge.ts';
import type { BrowserProtocol, BrowserRecord } from './record.ts';

/** Where a stream was played. */
export interface Place {
  readonly topology: string;
  readonly engine: string;
  readonly protocol: BrowserProtocol;
}

const NAMES: Readonly<Record<BrowserProtocol, { slug: BrowserPlay['protocol']; says: string }>> = {
  flv: { slug: 'flv', says: 'HTTP-FLV (mpegts.js)' },
  hls: { slug: 'hls', says: 'HLS (hls.js)' },
  webrtc: { slug: 'whep', says: 'WHEP (RTCPeerConnection)' },
};

const TITLES: Readonly<Record<Requirement, string>> = {
  cors: 'A page of another origin may play',
  'first-picture': 'A browser soon shows a picture of',
  stalls: 'The picture does not stand still with',
  frames: 'A browser shows every frame of',
  latency: 'From the encoder to the screen it does not take long with',
};

const SPECS: Readonly<Record<Requirement, Finding['spec']>> = {
  cors: {
    source: 'Fetch standard',
    where: '3.2 CORS protocol',
    says: 'A page may read the answer of another origin only when that allows it.',
  },
  'first-picture': {
    source: 'CTA-2066',
    where: 'video startup time',
    says: 'From the wish to play to the first picture.',
  },
  stalls: {
    source: 'CTA-2066',
    where: 'rebuffering',
    says: 'Playback that has begun is not interrupted for want of data.',
  },
  frames: {
    source: 'HTMLVideoElement.requestVideoFrameCallback()',
    where: 'metadata: presentedFrames',
    says: 'The clock in each picture tells which frame it is: each that was published is to be shown once, in order.',
  },
  latency: {
    source: 'HTMLVideoElement.requestVideoFrameCallback()',
    where: 'metadata: expectedDisplayTime',
    says: 'The clock in each picture tells when it was published: no later than by the buffers of cluster and player is it to be seen.',
  },
};

export function checkOf(protocol: BrowserProtocol, requirement: Requirement): string {
  return `browser/${NAMES[protocol].slug}-${requirement}`;
}

export function findingsOf(record: BrowserRecord, place: Place, durationMs: number): Finding[] {
  const judgements = judgeBrowser(record, figuresOf(record));
  return [...judgements].map(([requirement, judgement]) =>
    findingOf(requirement, judgement, place, durationMs),
  );
}

function findingOf(
  requirement: Requirement,
  { verdict, expected, actual, evidence = [] }: Judgement,
  { topology, engine, protocol }: Place,
  durationMs: number,
): Finding {
  return {
    check: checkOf(protocol, requirement),
    title: `${TITLES[requirement]} ${NAMES[protocol].says}`,
    level: 'must',
    spec: SPECS[requirement],
    topology,
    engine,
    verdict,
    expected,
    actual,
    evidence: [...evidence],
    durationMs,
  };
}

/** The judge's word on a defect: `pass` when it was seen, as in a run of mutants. */
export function proofOf(found: readonly Finding[], requirement: Requirement, mutant: string): Finding {
  const red = found.find(({ check }) => check.endsWith(`-${requirement}`))!;
  const isSeen = red.verdict === 'fail';
  return {
    ...red,
    mutant,
    verdict: isSeen ? 'pass' : red.verdict === 'pass' ? 'fail' : red.verdict,
    expected: `with ${mutant} the browser does not find: ${red.expected}`,
  };
}

/**
 * When nothing could be seen: a cluster that did not come up, a stream that could not be published. Who interrupts a run makes no
 * error of it: `inconclusive`.
 */
export function brokenFindings(
  place: Place,
  why: string,
  durationMs: number,
  verdict: 'error' | 'inconclusive' = 'error',
): Finding[] {
  const judgement = { expected: 'the stream is published, and a page is there to play it', actual: why };
  return REQUIREMENTS.map((requirement) => ({
    ...findingOf(requirement, { verdict: 'inconclusive', ...judgement }, place, durationMs),
    verdict,
  }));
}

/** Its figures, as the report has them. `artefacts` are relative to the directory of the run. */
export function playOf(
  record: BrowserRecord,
  { topology, engine, protocol }: Place,
  artefacts: readonly string[],
  mutant?: string,
): BrowserPlay {
  const {
    firstPictureMs,
    shown,
    dropped,
    missing,
    unreadable,
    stalls,
    stallRatio,
    glass,
    driver,
  }: BrowserFigures = figuresOf(record);
  return {
    topology,
    engine,
    protocol: NAMES[protocol].slug,
    ...(mutant === undefined ? {} : { mutant }),
    url: record.url,
    firstPictureMs,
    pictures: { shown, dropped, missing, unreadable },
    stalls: { count: stalls.length, ratio: stallRatio },
    glass,
    driver,
    artefacts: [...artefacts],
  };
}
