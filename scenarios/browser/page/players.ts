/** What plays: mpegts.js for HTTP-FLV, hls.js for HLS, RTCPeerConnection for WHEP. */
import Hls from 'hls.js';
import mpegts from 'mpegts.js';
import type { BrowserProtocol, Complaint, RtcRecord } from '../record.ts';
import { WhepSession } from './whep.ts';

export interface PagePlayer {
  /** WHEP: frames that have come, a moment ago. Others: undefined, the element counts them. */
  readonly framesReceived?: number;
  /** WHEP alone has any. */
  stats(): Promise<RtcRecord | null>;
  close(): Promise<void>;
}

export type Complain = (complaint: Complaint) => void;

export type OpenPlayer = (video: HTMLVideoElement, url: string, complain: Complain) => PagePlayer;

export const PLAYERS: Readonly<Record<BrowserProtocol, OpenPlayer>> = {
  flv: openFlv,
  hls: openHls,
  webrtc: (video, url, complain) => new WhepSession(video, url, complain),
};

const NO_STATS = async (): Promise<null> => null;

/** Live: without a stash of its own, and held near the end of what is buffered (its `liveSync`, with its own defaults). */
function openFlv(video: HTMLVideoElement, url: string, complain: Complain): PagePlayer {
  mpegts.LoggingControl.enableAll = false;
  const player = mpegts.createPlayer(
    { type: 'flv', isLive: true, url, cors: true },
    { enableStashBuffer: false, liveSync: true },
  );
  player.on(mpegts.Events.ERROR, (type: string, detail: string, info: { msg?: string } | undefined) =>
    complain({ code: `mpegts.${type}.${detail}`, detail: info?.msg ?? '' }),
  );
  player.attachMediaElement(video);
  player.load();
  return { stats: NO_STATS, close: async () => player.destroy() };
}

/** As it comes: three target durations behind the end (`liveSyncDurationCount`). */
function openHls(video: HTMLVideoElement, url: string, complain: Complain): PagePlayer {
  const player = new Hls();
  player.on(Hls.Events.ERROR, (_, { type, details, fatal, error }) =>
    complain({ code: `hls.${details}${fatal ? '.fatal' : ''}`, detail: `${type}: ${error.message}` }),
  );
  player.loadSource(url);
  player.attachMedia(video);
  return { stats: NO_STATS, close: async () => player.destroy() };
}
