/** What a page in a browser needs of the Nginx that serves HLS, DASH and recordings. */
import { SOURCE_RUNG } from '../../lab/render/ladder.ts';
import { check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, judged, notSeen } from '../judging.ts';
import { mediaPlaylist } from './hls-history.ts';
import { FIRST_SEGMENT_WITHIN_MS, poll, rungUrl } from './nginx-rtmp-watch.ts';

const ORIGIN = 'http://player.test';

interface Kind {
  readonly name: string;
  readonly types: readonly string[];
  /** It is another one with every segment: who keeps it must ask whether it still holds. */
  readonly changes: boolean;
}

const PLAYLIST_TYPES = ['application/vnd.apple.mpegurl', 'audio/mpegurl'];
const KINDS: readonly Kind[] = [
  { name: 'master', types: PLAYLIST_TYPES, changes: true },
  { name: 'playlist', types: PLAYLIST_TYPES, changes: true },
  { name: 'segment', types: ['video/mp2t'], changes: false },
  { name: 'manifest', types: ['application/dash+xml'], changes: true },
  { name: 'recording', types: ['video/x-flv'], changes: false },
];

const servedToBrowsers = check({
  id: 'nginx-rtmp/served-to-browsers',
  title: 'A page of another origin may fetch HLS, DASH and recordings, and gets no old playlist',
  level: 'must',
  spec: {
    source: 'HLS live and VOD on Kubernetes (seeds/004); Fetch standard; RFC 8216; ISO/IEC 23009-1',
    where: 'nginx-hls.conf, location /hls and /dash; 3.2; 4; annex C',
    says: 'Everything has its media type and Access-Control-Allow-Origin, a preflight is answered, and playlists and manifests come with Cache-Control: no-cache.',
  },
  topologies: ['nginx-rtmp'],
  needs: ['publish.rtmp', 'play.hls', 'play.dash', 'play.vod'],
  mutants: ['web-no-cors', 'web-wrong-content-type'],
  deadlineMs: 20_000,

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    const playlist = rungUrl(t, stream, SOURCE_RUNG);
    const segment = await poll(t, 'a segment', FIRST_SEGMENT_WITHIN_MS, async () => {
      const { status, body } = await t.http(playlist, { label: 'waiting' });
      return status === 200 ? mediaPlaylist(new TextDecoder().decode(body))?.segments[0] : undefined;
    });
    const manifest = t.cluster.entry('play', 'dash').url('dash', stream);
    await poll(t, 'a manifest', FIRST_SEGMENT_WITHIN_MS, async () =>
      (await t.http(manifest, { label: 'waiting' })).status === 200 ? true : undefined,
    );
    const urls: Record<string, string> = {
      master: t.playUrl('hls', stream),
      playlist,
      segment: new URL(segment.uri, playlist).href,
      manifest,
      recording: t.cluster.entry('play', 'vod').url('vod', stream),
    };
    for (const { name } of KINDS) {
      const url = urls[name]!;
      await t.http(url, { label: name, headers: { Origin: ORIGIN } });
      const preflight = { Origin: ORIGIN, 'Access-Control-Request-Method': 'GET' };
      await t.http(url, { label: preflightOf(name), method: 'OPTIONS', headers: preflight });
    }
  },

  judge(history) {
    if (answerTo(history, KINDS[0]!.name) === undefined) return [notSeen(history, 'a stream that is served')];
    return KINDS.map((kind) => judgeKind(history, kind));
  },
});

function preflightOf(kind: string): string {
  return `${kind}-preflight`;
}

function answerTo(history: History, label: string): EventOf<'http.exchange'> | undefined {
  return history.of('http.exchange').find(({ client }) => client === label);
}

function judgeKind(history: History, kind: Kind): Judgement {
  const { name, types, changes } = kind;
  const expected = `${name}: ${types[0]}, for any origin${changes ? ', not to be kept unasked' : ''}; a preflight is answered`;
  const [answer, preflight] = [answerTo(history, name), answerTo(history, preflightOf(name))];
  if (answer === undefined || preflight === undefined) return notSeen(history, expected);
  const flaws = [
    answer.status === 200 ? undefined : `HTTP ${answer.status}`,
    answer.bytes > 0 ? undefined : 'an empty body',
    types.includes(mediaTypeOf(answer)) ? undefined : `type ${mediaTypeOf(answer) || 'none'}`,
    corsFlaw('the answer', answer),
    changes && !/no-cache|no-store/.test(answer.headers['cache-control'] ?? '')
      ? `Cache-Control ${answer.headers['cache-control'] ?? 'missing'}`
      : undefined,
    preflight.status >= 200 && preflight.status < 300 ? undefined : `OPTIONS: HTTP ${preflight.status}`,
    corsFlaw('OPTIONS', preflight),
  ].filter((flaw) => flaw !== undefined);
  return flaws.length > 0
    ? failed(expected, `${name}: ${flaws.join(', ')}`)
    : judged(true, expected, 'so it is');
}

function mediaTypeOf({ headers }: EventOf<'http.exchange'>): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

function corsFlaw(what: string, { headers }: EventOf<'http.exchange'>): string | undefined {
  const allowed = headers['access-control-allow-origin'];
  if (allowed === '*' || allowed === ORIGIN) return undefined;
  return `${what} is for origin ${allowed ?? 'none'}`;
}

export const BROWSER_CHECKS = [servedToBrowsers];
