/** Encoders far away: between the commands of a publisher lie round trips. */
import { check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, isFrame, notSeen } from '../judging.ts';
import { judgeAttempts, stepsOf } from '../wire/attempt.ts';
import { audioTag, videoTag } from '../wire/media.ts';
import { judgeRelay, Relay } from '../wire/relay.ts';

const APP = 'live';
/** More than the 3 s after which SRS looks for streams that nobody needs; less than any patience with a handshake. */
const PAUSE_MS = 4000;
const DEED_FRAMES = 5;
const STARTED = 'started-slowly';

export const slowPublisher = check({
  id: 'rtmp/slow-publisher',
  title: 'What an encoder publishes who takes its time between FCPublish and publish is seen',
  level: 'must',
  spec: {
    source: 'RTMP 1.0 (Adobe, 21 December 2012)',
    where:
      '7.2.2.6 publish; SRS 7.0.18, app/srs_app_source.cpp, SrsLiveSourceManager::notify (issue 4656, since 7.0.151 mended)',
    says:
      'Whoever is told NetStream.Publish.Start is a publisher, and players of the stream get what it sends, however long ' +
      'the commands before were under way. Between FCPublish and publish lies a round trip at the least.',
  },
  topologies: ['edge-cluster'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv'],
  mutants: ['origin-loses-slow-publisher'],

  run: (t) =>
    Relay.run(t, 0, sendFrames, async (client, stream) => {
      await client.handshake();
      await client.connect(APP);
      client.command('releaseStream', 2, null, [stream]);
      client.command('FCPublish', 3, null, [stream]);
      const id = await client.createStream(4);
      await t.observe(PAUSE_MS, 'an encoder whose publish is under way');
      client.publish(id, stream);
      await client.status('NetStream.Publish.Start');
      t.step(STARTED, { afterMs: PAUSE_MS });
      return id;
    }),

  judge(history) {
    if (history.step(STARTED) === undefined) {
      const broken = judgeAttempts(history);
      return broken.length > 0 ? broken : [notSeen(history, 'a publisher who is let in')];
    }
    return judgeUnseen(history) ?? judgeRelay(history);
  },
});

function sendFrames(relay: Relay): void {
  for (let i = 0; i < DEED_FRAMES; i++) {
    const time = relay.tick();
    relay.send(audioTag(200), time);
    relay.send(videoTag(false, 1000), time);
  }
}

/** Of a publisher who was let in, and sent, some got nothing at all. */
function judgeUnseen(history: History): Judgement[] | undefined {
  const sent = history.sent('wire-publisher').filter(isFrame).length;
  const players = stepsOf(history, 'relay.player').map(({ client }) => String(client));
  const without = players.filter((player) => !history.got(player).some(isFrame));
  if (sent === 0 || without.length === 0) return undefined;
  const expected = 'every player gets what is published';
  return [failed(expected, `nothing of ${sent} frames for ${without.join(', ')}`), ...judgeAttempts(history)];
}
