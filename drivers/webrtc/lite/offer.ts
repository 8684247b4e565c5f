/** The offer of a lite client, and what it takes from the answer. */
import { networkInterfaces } from 'node:os';
import type { FingerprintHash } from '../../../protocols/dtls/crypto.ts';
import {
  Direction,
  type SdpCandidate,
  type SdpMedia,
  type SessionDescription,
  transportOf,
} from '../../../protocols/sdp/description.ts';
import { writeSdp } from '../../../protocols/sdp/write.ts';
import { AUDIO_PAYLOAD_TYPE, H264_FMTP, type TransportSetup, VIDEO_PAYLOAD_TYPE } from '../contract.ts';
import type { Remote } from './ice.ts';

/** RFC 8445 section 5.1.2.1: host, component 1. */
const HOST_PREFERENCE = 126 * 2 ** 24 + 255;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const HASHES: readonly string[] = ['sha-1', 'sha-256', 'sha-384', 'sha-512'] satisfies FingerprintHash[];

export interface OfferFields {
  readonly setup: TransportSetup;
  readonly ufrag: string;
  readonly pwd: string;
  /** sha-256. */
  readonly fingerprint: string;
  readonly port: number;
}

export function writeOffer(fields: OfferFields): string {
  const { setup } = fields;
  const session: SessionDescription = {
    origin: `liveproof ${Date.now()} 1 IN IP4 127.0.0.1`,
    name: '-',
    bundles: [setup.media.map((_, mid) => String(mid))],
    iceLite: false,
    iceOptions: ['ice2'],
    fingerprints: [{ algorithm: 'sha-256', value: fields.fingerprint }],
    setup: 'actpass',
    iceUfrag: fields.ufrag,
    icePwd: fields.pwd,
    attributes: [],
    media: setup.media.map((_, mid) => mediaOf(fields, mid)),
  };
  return writeSdp(session);
}

function mediaOf({ setup, port }: OfferFields, mid: number): SdpMedia {
  const { kind, ssrc } = setup.media[mid]!;
  const video = kind === 'video';
  const payloadType = video ? VIDEO_PAYLOAD_TYPE : AUDIO_PAYLOAD_TYPE;
  return {
    kind,
    port: 9,
    protocol: 'UDP/TLS/RTP/SAVPF',
    formats: [String(payloadType)],
    connection: 'IN IP4 0.0.0.0',
    mid: String(mid),
    rtcpMux: true,
    rtcpRsize: false,
    fingerprints: [],
    direction: setup.direction === 'recvonly' ? Direction.recvonly : Direction.sendonly,
    candidates: mid === 0 ? candidates(setup.localAddress, port) : [],
    codecs: [
      video
        ? {
            payloadType,
            name: 'H264',
            clockRate: 90_000,
            fmtp: H264_FMTP,
            feedback: ['nack', 'nack pli'],
          }
        : { payloadType, name: 'opus', clockRate: 48_000, channels: 2, feedback: [] },
    ],
    extmap: [],
    ssrcs: ssrc === undefined ? [] : [{ ssrc, cname: setup.cname }],
    ...(ssrc !== undefined && { msid: `${setup.cname} ${setup.cname}-${kind}` }),
    attributes: [],
  };
}

function candidates(localAddress: string | undefined, port: number): SdpCandidate[] {
  const addresses = localAddress === undefined ? outwardAddresses() : [localAddress];
  return addresses.map((address, index) => ({
    foundation: String(index + 1),
    component: 1,
    transport: 'udp',
    priority: HOST_PREFERENCE + (65_535 - index) * 2 ** 8,
    address,
    port,
    type: 'host',
    extensions: [],
  }));
}

/** For so long an answer of the system is good: a ramp of thousands makes thousands of offers. */
const INTERFACES_MS = 1000;
let outward: { readonly addresses: readonly string[]; readonly until: number } | undefined;

function outwardAddresses(): readonly string[] {
  const now = performance.now();
  if (outward === undefined || now >= outward.until) {
    const addresses = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address);
    outward = { addresses, until: now + INTERFACES_MS };
  }
  return outward.addresses;
}

/** How a payload type is treated. */
export const PayloadKind = { other: 0, h264: 1, audio: 2 } as const;

export interface AnswerFields {
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprint: { readonly hash: FingerprintHash; readonly value: string };
  /** The peer waits for our ClientHello. */
  readonly passive: boolean;
  readonly iceLite: boolean;
  readonly remotes: readonly Remote[];
  /** By payload type. */
  readonly kinds: Uint8Array;
}

/** @throws Error for an answer without what a transport needs. */
export function readAnswer(session: SessionDescription): AnswerFields {
  const accepted = session.media.filter(({ port }) => port !== 0);
  const [first] = accepted;
  if (first === undefined) throw new Error('no media is accepted');
  const { iceUfrag, icePwd, fingerprints, setup } = transportOf(session, first);
  if (iceUfrag === undefined || icePwd === undefined) throw new Error('no ice-ufrag and ice-pwd');
  const fingerprint = fingerprints.find(({ algorithm }) => HASHES.includes(algorithm));
  if (fingerprint === undefined) throw new Error('no fingerprint by SHA-1 or SHA-2');
  if (setup !== 'passive' && setup !== 'active')
    throw new Error(`setup:${setup ?? ''} instead of active or passive`);
  const remotes = session.media
    .flatMap((media) => media.candidates)
    .filter(
      ({ component, transport, address }) => component === 1 && transport === 'udp' && IPV4.test(address),
    )
    .sort((a, b) => b.priority - a.priority)
    .map(({ address, port }) => ({ address, port }));
  const unique = new Map(remotes.map((remote) => [`${remote.address}:${remote.port}`, remote]));
  if (unique.size === 0) throw new Error('no candidate by UDP over IPv4');
  const kinds = new Uint8Array(128);
  for (const media of accepted) {
    for (const { name, payloadType } of media.codecs) {
      if (media.kind === 'audio') kinds[payloadType] = PayloadKind.audio;
      else if (name.toLowerCase() === 'h264') kinds[payloadType] = PayloadKind.h264;
    }
  }
  return {
    ufrag: iceUfrag,
    pwd: icePwd,
    fingerprint: { hash: fingerprint.algorithm as FingerprintHash, value: fingerprint.value },
    passive: setup === 'passive',
    iceLite: session.iceLite,
    remotes: [...unique.values()],
    kinds,
  };
}
