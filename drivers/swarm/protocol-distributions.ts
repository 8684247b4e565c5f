/** Figures of one protocol's players as results have them: counters and finished distributions. */
import type { DistributionFigures } from '../measure/histogram.ts';
import type { HlsSnapshot, RequestTotals } from './hls-figures.ts';
import type { SrtSnapshot } from './srt-figures.ts';
import type { SwarmFigures } from './swarm.ts';
import type { WebRtcSnapshot } from './webrtc-figures.ts';

/** The shape of `HlsLoad` in reports/results.ts. */
export interface HlsLoadFigures extends Omit<HlsSnapshot, 'playlists' | 'segments'> {
  readonly playlists: RequestTotals & {
    readonly time: DistributionFigures;
    readonly staleness: DistributionFigures;
  };
  readonly segments: RequestTotals & { readonly time: DistributionFigures };
}

/** The shape of `SrtLoad` in reports/results.ts. */
export interface SrtLoadFigures extends SrtSnapshot {
  readonly rtt: DistributionFigures;
}

/** The shape of `WebRtcLoad` in reports/results.ts. */
export interface WebRtcLoadFigures extends WebRtcSnapshot {
  readonly offers: WebRtcSnapshot['offers'] & { readonly time: DistributionFigures };
  readonly jitter: DistributionFigures;
}

/** A protocol without a player is left out. */
export interface ProtocolFigures {
  readonly hls?: HlsLoadFigures;
  readonly srt?: SrtLoadFigures;
  readonly webrtc?: WebRtcLoadFigures;
}

export function protocolFigures({
  hls,
  srt,
  webrtc,
  histograms,
}: SwarmFigures['protocols']): ProtocolFigures {
  return {
    ...(hls !== undefined && {
      hls: {
        ...hls,
        playlists: {
          ...hls.playlists,
          time: histograms.hls.playlistTime.toDistribution(),
          staleness: histograms.hls.staleness.toDistribution(),
        },
        segments: { ...hls.segments, time: histograms.hls.segmentTime.toDistribution() },
      },
    }),
    ...(srt !== undefined && { srt: { ...srt, rtt: histograms.srt.rtt.toDistribution() } }),
    ...(webrtc !== undefined && {
      webrtc: {
        ...webrtc,
        offers: { ...webrtc.offers, time: histograms.webrtc.offerTime.toDistribution() },
        jitter: histograms.webrtc.jitter.toDistribution(),
      },
    }),
  };
}
