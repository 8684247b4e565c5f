/** A link of a check's own on the way of WebRTC's media, and what becomes of a stream while it loses some. */
import type { Direction } from '../../lab/cluster.ts';
import { UdpTap } from '../../lab/taps/udp-tap.ts';
import { RTC_PLAYING_WITHIN_MS } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { notSeen } from '../judging.ts';
import { FRAME_MS, type RecordedPlayer, type RecordedPublisher } from '../stage.ts';
import { isRtp } from '../wire/webrtc.ts';
import { judgeFrames } from './srt-delivery.ts';

interface Line {
  readonly tap: UdpTap;
  readonly to: { readonly host: string; readonly port: number };
}

/** A link of the check's own to where media comes from, or with `publish` goes to. */
export async function lineToMedia(t: CheckContext, use: 'play' | 'publish' = 'play'): Promise<Line> {
  const node = t.cluster.nodes.get(t.cluster.entry(use, 'webrtc').node)!;
  const port = node.ports.rtc;
  if (port === undefined) throw new Error(`node ${node.spec.name} has no WebRTC port`);
  const tap = new UdpTap({
    from: 'player',
    to: 'webrtc',
    listen: { host: '127.0.0.1', port: 0 },
    // An SRS has no address of its own for UDP (lab/render/srs.ts).
    target: { host: node.engine === 'srs' ? '127.0.0.1' : node.host, port },
  });
  await tap.listen();
  t.cleanUp(() => tap.close());
  return { tap, to: tap.address };
}

const LOSS = 0.02;
const LOSSY_FRAMES = 110;

interface Lossy {
  readonly tap: UdpTap;
  /** In which the link loses media. */
  readonly way: Direction;
  readonly publisher: RecordedPublisher;
  readonly player: RecordedPlayer;
}

/** `figures` of who repairs what is lost go into the history in the end, also when frames stay away. */
export async function watchLossy(
  t: CheckContext,
  { tap, way, publisher, player }: Lossy,
  figures: () => StepData,
): Promise<void> {
  await player.playing(RTC_PLAYING_WITHIN_MS);
  tap.setFaults(way, { loss: LOSS, only: isRtp });
  t.step('watched', { publisher: publisher.label, player: player.label });
  try {
    await player.frames(LOSSY_FRAMES, LOSSY_FRAMES * FRAME_MS + RTC_PLAYING_WITHIN_MS);
  } finally {
    t.step('figures', { ...figures(), dropped: tap.counts(way).lost });
  }
}

/** Every frame, and what `judge` says of the figures, among them `dropped`: how many packets the link lost. */
export function judgeLossy(
  history: History,
  who: string,
  judge: (figures: StepData) => Judgement,
): Judgement[] {
  const watched = history.step('watched');
  const figures = history.step('figures');
  if (watched === undefined || figures === undefined) {
    return [notSeen(history, `${who} on a link that loses`)];
  }
  return [judgeFrames(history, `${watched.publisher}`, `${watched.player}`, LOSSY_FRAMES), judge(figures)];
}
