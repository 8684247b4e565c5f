/** Figures that only players of one protocol have, for a crowd of any mixture of protocols. */
import type { Playlist } from '../../protocols/hls/playlist.ts';
import type { Client, HttpExchange, Player, WebRtcTransportName } from '../client.ts';
import { isHlsUrl, isSrtUrl, isWhepUrl } from '../create.ts';
import { HlsPlayer } from '../hls/player.ts';
import type { FrameMeter } from '../measure/meter.ts';
import { SrtPlayer } from '../srt/player.ts';
import { WhepPlayer } from '../webrtc/player.ts';
import { addHlsSnapshots, type HlsCounts, HlsHistograms, HlsMeter, type HlsSnapshot } from './hls-figures.ts';
import { addSrtSnapshots, type SrtCounts, SrtHistograms, SrtMeter, type SrtSnapshot } from './srt-figures.ts';
import {
  addWebRtcSnapshots,
  type WebRtcCounts,
  WebRtcHistograms,
  WebRtcMeter,
  type WebRtcSnapshot,
} from './webrtc-figures.ts';

/** A protocol without a player is left out. */
export interface ProtocolSnapshots {
  readonly hls?: HlsSnapshot;
  readonly srt?: SrtSnapshot;
  readonly webrtc?: WebRtcSnapshot;
}

/** Recorded since the last time. */
export interface ProtocolCounts {
  readonly hls: HlsCounts | undefined;
  readonly srt: SrtCounts | undefined;
  readonly webrtc: WebRtcCounts | undefined;
}

/** Filled by the reports of many processes. */
export class ProtocolHistograms {
  readonly hls = new HlsHistograms();
  readonly srt = new SrtHistograms();
  readonly webrtc = new WebRtcHistograms();

  add({ hls, srt, webrtc }: ProtocolCounts): void {
    if (hls !== undefined) this.hls.add(hls);
    if (srt !== undefined) this.srt.add(srt);
    if (webrtc !== undefined) this.webrtc.add(webrtc);
  }
}

/** Of the players of this process. */
export class ProtocolMeters {
  readonly hls: HlsMeter | undefined;
  readonly srt: SrtMeter | undefined;
  readonly webrtc: WebRtcMeter | undefined;

  /** @param transport of the players of WebRTC. */
  constructor(urls: readonly string[], transport: WebRtcTransportName) {
    this.hls = urls.some(isHlsUrl) ? new HlsMeter() : undefined;
    this.srt = urls.some(isSrtUrl) ? new SrtMeter() : undefined;
    this.webrtc = urls.some(isWhepUrl) ? new WebRtcMeter(transport) : undefined;
  }

  add(player: Player, meter: FrameMeter): void {
    if (player instanceof HlsPlayer) this.hls?.add(player);
    else if (player instanceof SrtPlayer) this.srt?.add(player);
    else if (player instanceof WhepPlayer) this.webrtc?.add(player, meter);
  }

  exchange(client: Client, exchange: HttpExchange): void {
    if (client instanceof HlsPlayer) this.hls?.exchange(exchange);
    else if (client instanceof WhepPlayer) this.webrtc?.exchange(exchange);
  }

  playlist(client: Client, playlist: Playlist): void {
    if (client instanceof HlsPlayer) this.hls?.playlist(playlist, client.playlistAgeMs);
  }

  problem(client: Client, code: string): void {
    if (client instanceof HlsPlayer) this.hls?.problem(code);
    else if (client instanceof SrtPlayer) this.srt?.problem(code);
    else if (client instanceof WhepPlayer) this.webrtc?.problem(code);
  }

  snapshot(): ProtocolSnapshots {
    const { hls, srt, webrtc } = this;
    return {
      ...(hls !== undefined && { hls: hls.snapshot() }),
      ...(srt !== undefined && { srt: srt.snapshot() }),
      ...(webrtc !== undefined && { webrtc: webrtc.snapshot() }),
    };
  }

  /** Once per report. */
  take(): ProtocolCounts {
    this.srt?.sample();
    this.webrtc?.sample();
    return {
      hls: this.hls?.histograms.take(),
      srt: this.srt?.histograms.take(),
      webrtc: this.webrtc?.histograms.take(),
    };
  }
}

/** One out of many. */
export function addProtocolSnapshots(snapshots: readonly ProtocolSnapshots[]): ProtocolSnapshots {
  const hls = addHlsSnapshots(snapshots.map((snapshot) => snapshot.hls));
  const srt = addSrtSnapshots(snapshots.map((snapshot) => snapshot.srt));
  const webrtc = addWebRtcSnapshots(snapshots.map((snapshot) => snapshot.webrtc));
  return {
    ...(hls !== undefined && { hls }),
    ...(srt !== undefined && { srt }),
    ...(webrtc !== undefined && { webrtc }),
  };
}
