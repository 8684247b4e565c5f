/** Back-to-source: what comes through an edge is what was published. */
import { TWO_HOPS_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import {
  compareFrames,
  failed,
  inconclusive,
  judged,
  nameOf,
  notSeen,
  unlessOurs,
  videoOf,
  words,
} from '../judging.ts';
import { allPlaying, FRAME_MS, labels } from '../stage.ts';
import { EDGE_CLUSTER } from './back-to-source-setting.ts';

// same-bytes

/** More than two GOPs and more than any period of the lab's own frame defects. */
const COMPARED_FRAMES = 60;
/** What was sent so long ago is at every player: to the origin through an edge (facts/srs.md 1.7), and two hops. */
const OVERDUE_MS = 2 * TWO_HOPS_MS;
/** Audio and video leave the publisher in the order of their timestamps; a merged write or two may be between. */
const AUDIO_BEHIND_MS = TWO_HOPS_MS;

const sameBytes = check({
  id: 'back-to-source/same-bytes',
  title: 'A player behind an edge gets frame for frame what the publisher sent',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_edge.cpp, SrsEdgeIngester::process_publish_message; conf/full.conf time_jitter',
    says: 'RTMP to RTMP and RTMP to HTTP-FLV, through an edge as well, relay audio and video byte-exact; with time_jitter off the timestamps are the publisher’s. An edge passes what is published at it on to the origin as it is.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: [
    'media-drops-frames',
    'media-doubles-frames',
    'media-swaps-frames',
    'media-flips-byte',
    'media-drops-audio',
    'media-resets-timestamps',
    'edge-forwards-no-headers',
  ],

  async run(t) {
    const edges = t.nodes('edge').map(({ spec }) => spec.name);
    await Promise.all([
      compareCopies(t, edges[0]!, 'origin', (stream) => t.publishUrl(stream)),
      compareCopies(t, edges[0]!, 'edge', (stream) => t.publishUrl(stream, edges.at(-1)!)),
      ...t
        .nodes('balancer')
        .map(({ spec: { name } }) =>
          compareCopies(t, edges[0]!, 'balancer', (stream) => t.publishUrl(stream, name)),
        ),
    ]);
    t.step('compared');
  },

  judge(history) {
    const settings = history.of('step').filter(({ step }) => step === 'players');
    const refused = history
      .of('not-observed')
      .find(({ what }) => /^publisher-at-(edge|balancer): NetStream.Publish.Start/.test(what));
    if (settings.length > 0 && refused !== undefined) {
      return [
        failed('a publisher let in at the origin, at an edge and through a balancer', `not ${refused.what}`),
      ];
    }
    if (settings.length === 0) return [notSeen(history, 'a publisher and two players')];
    return settings.flatMap(({ data }) => {
      const sent = history.sent(String(data.publisher));
      return words(data.players).flatMap((player) => judgeCopy(history, player, sent, history.got(player)));
    });
  },
});

/** A stream that is published at `place` and played at an edge, in both protocols. */
async function compareCopies(
  t: CheckContext,
  edge: string,
  place: 'origin' | 'edge' | 'balancer',
  publishUrl: (stream: string) => string,
): Promise<void> {
  const stream = t.stream(`at-${place}`);
  const publisher = await t.publish({ url: publishUrl(stream), label: `publisher-at-${place}` });
  const players = (['rtmp', 'flv'] as const).map((protocol) =>
    t.play(t.playUrl(protocol, stream, edge), `${protocol}-from-${place}`),
  );
  t.step('players', { players: labels(players), publisher: publisher.label });
  await allPlaying(players);
  await Promise.all(
    players.map((player) => player.frames(COMPARED_FRAMES, COMPARED_FRAMES * FRAME_MS + 2 * TWO_HOPS_MS)),
  );
}

/** What one player got, held against what was sent. */
function judgeCopy(
  history: History,
  player: string,
  sent: ReturnType<History['sent']>,
  got: ReturnType<History['got']>,
): Judgement[] {
  const expected = `${player}: from where it joined, every frame as it was sent`;
  const seen = videoOf(got);
  const overdue = videoOf(sent).filter(({ t }) => t < sent.at(-1)!.t - OVERDUE_MS);
  if (seen.length === 0) {
    const actual = `it got no video frame at all; ${overdue.length} were sent more than ${OVERDUE_MS} ms before`;
    return [(overdue.length < COMPARED_FRAMES ? inconclusive : failed)(expected, actual)];
  }
  const { compared, differences } = compareFrames(sent, got);
  if (differences.length > 0) {
    return differences.map((difference) =>
      failed(
        `${player}: ${difference.expected}`,
        `${difference.actual} (frame ${difference.at} of those it got)`,
      ),
    );
  }
  const judgements: Judgement[] = [];
  if (compared.audio === 0) judgements.push(failed(`${player}: audio frames too`, 'none in all that it got'));
  for (const kind of ['audio-config', 'video-config'] as const) {
    const original = sent.find((item) => item.kind === kind);
    const copies = got.filter((item) => item.kind === kind);
    if (original === undefined) continue;
    const other = copies.find(({ sum, size }) => sum !== original.sum || size !== original.size);
    if (copies.length === 0) judgements.push(failed(`${player}: ${nameOf(original)}`, 'none'));
    else if (other)
      judgements.push(failed(`${player}: ${nameOf(original)}`, `${nameOf(other)}, other bytes`));
  }
  if (judgements.length > 0) return judgements;
  const [latest, due] = [seen.at(-1)!, overdue.at(-1)];
  if (due?.stamp && latest.stamp && latest.stamp.frame < due.stamp.frame) {
    const late = failed(
      expected,
      `nothing after ${nameOf(latest)}, ${OVERDUE_MS} ms after ${nameOf(due)} was sent`,
    );
    return [unlessOurs(history, late, OVERDUE_MS)];
  }
  if (compared.video < COMPARED_FRAMES) {
    return [
      inconclusive(
        `${player}: ${COMPARED_FRAMES} video frames to compare`,
        `${compared.video}, all the same`,
      ),
    ];
  }
  const heard = got.findLast(({ kind }) => kind === 'audio')!;
  if (latest.timestamp - heard.timestamp > AUDIO_BEHIND_MS)
    return [
      failed(`${player}: audio as far as video`, `nothing after ${nameOf(heard)}, but ${nameOf(latest)}`),
    ];
  return [judged(true, expected, `${compared.video} video and ${compared.audio} audio frames, all the same`)];
}

export const COPIES: readonly Check[] = [sameBytes];
