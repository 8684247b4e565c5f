import { PLAYING_WITHIN_MS } from '../../scenarios/bounds.ts';
import { check } from '../../scenarios/check.ts';
import { judged } from '../../scenarios/judging.ts';
import { GOP_FRAMES } from '../../scenarios/stage.ts';

export const joinsAtKeyframe = check({
  id: 'example/joins-at-keyframe',
  title: 'Whoever joins in the middle of a GOP starts with its keyframe',
  level: 'must',
  spec: { source: 'SRS', where: 'GOP cache', says: 'A player who comes late is given the last GOP.' },
  topologies: ['edge-cluster'],
  needs: ['publish.rtmp', 'play.flv'],
  mutants: ['media-no-gop-cache'],
  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream), label: 'publisher' });
    await publisher.sent(2.5 * GOP_FRAMES, PLAYING_WITHIN_MS);
    await t.play(t.playUrl('flv', stream), 'late').playing(PLAYING_WITHIN_MS);
  },
  judge(history) {
    const first = history.got('late').find(({ kind }) => kind === 'video');
    return [judged(first?.key === true, 'a keyframe first', `${first?.kind} at ${first?.timestamp} ms`)];
  },
});
