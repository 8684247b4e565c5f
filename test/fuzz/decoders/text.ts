import { readFileSync } from 'node:fs';
import { parseManifest } from '../../../protocols/dash/manifest.ts';
import { expandTimeline, fillTemplate, initializationUrl } from '../../../protocols/dash/timeline.ts';
import { lintPlaylist } from '../../../protocols/hls/lint.ts';
import { lintReload } from '../../../protocols/hls/lint-reload.ts';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import { hasChanged, nextSegment, reloadDelayMs, startSequence } from '../../../protocols/hls/reload.ts';
import { lintAnswer, lintOffer } from '../../../protocols/sdp/lint.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import { parseXml } from '../../../protocols/xml.ts';
import { Arrival, type Decoder, latin1, utf8 } from '../decoder.ts';

const captured = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../fixtures/captures/${name}`, import.meta.url)));

export const NUMBERS = ['-1', '0', '99999999999999999999', '1e309', '0.000000001', 'NaN', '\u{1d7d9}'];

const playlists = [
  'nginx-rtmp-1.2.2/variants.m3u8',
  'nginx-rtmp-1.2.2/live-before.m3u8',
  'nginx-rtmp-1.2.2/live-after.m3u8',
  'nginx-rtmp-1.2.2/keys.m3u8',
  'srs-7.0.18/hls-media.m3u8',
  'srs-7.0.18/hls-master.m3u8',
];

const m3u8: Decoder = {
  name: 'm3u8',
  arrival: Arrival.whole,
  seeds: () => playlists.map(captured),
  tokens: [
    ...NUMBERS,
    '\n',
    '\r',
    '"',
    ',',
    '#EXT-X-BYTERANGE:1@2\n',
    '#EXT-X-MAP:URI="a",BYTERANGE="9@9"\n',
    '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0xff\n',
    '#EXT-X-DISCONTINUITY\n',
    '#EXT-X-ENDLIST\n',
    '#EXT-X-STREAM-INF:BANDWIDTH=1\n',
    '#EXT-X-PROGRAM-DATE-TIME:2026-02-30T25:61:61Z\n',
    '#EXTINF:',
  ],
  decode(pieces) {
    const text = utf8(pieces);
    lintPlaylist(text);
    const playlist = parsePlaylist(text);
    if (playlist.kind !== 'media') return;
    before ??= parsePlaylist(utf8([captured('nginx-rtmp-1.2.2/live-before.m3u8')]));
    if (before.kind !== 'media') throw new Error('no media playlist');
    hasChanged(before, playlist);
    lintReload(before, playlist);
    reloadDelayMs(playlist, true);
    for (const mode of ['3-segments', 'live-edge'] as const) startSequence(playlist, mode);
    nextSegment(playlist, playlist.mediaSequence);
  },
};
let before: ReturnType<typeof parsePlaylist> | undefined;

const TAGS = [
  '<',
  '>',
  '/>',
  '&',
  '&#x110000;',
  '&amp;',
  '<!--',
  '-->',
  '<![CDATA[',
  ']]>',
  '<?x',
  '<!DOCTYPE a [',
  '"',
];

const dash: Decoder = {
  name: 'dash',
  arrival: Arrival.whole,
  seeds: () => [captured('nginx-rtmp-1.2.2/live.mpd')],
  tokens: [
    ...NUMBERS,
    ...TAGS,
    'PT',
    'P9999Y',
    '$Time%099999d$',
    '$$',
    ' r="-1"',
    ' r="999999999"',
    ' d="0"',
  ],
  decode(pieces) {
    for (const { adaptationSets } of parseManifest(utf8(pieces)).periods) {
      for (const representation of adaptationSets.flatMap((set) => set.representations)) {
        initializationUrl(representation);
        const [segment] = expandTimeline(representation);
        const media = representation.segmentTemplate?.media;
        if (segment && media) fillTemplate(media, representation, segment);
      }
    }
  },
};

const xml: Decoder = {
  name: 'xml',
  arrival: Arrival.whole,
  seeds: () => [captured('nginx-rtmp-1.2.2/stat.xml'), captured('nginx-rtmp-1.2.2/live.mpd')],
  tokens: TAGS,
  decode(pieces) {
    parseXml(utf8(pieces));
  },
};

const sdp: Decoder = {
  name: 'sdp',
  arrival: Arrival.whole,
  seeds: () => ['offer', 'answer'].map((name) => captured(`srs-7.0.18/whep-${name}.sdp`)),
  tokens: [
    ...NUMBERS,
    '\r\n',
    'm=video 9 UDP/TLS/RTP/SAVPF 96\r\n',
    'a=mid:0\r\n',
    'a=group:BUNDLE 0 0\r\n',
    'a=fmtp:96 ;;=\r\n',
  ],
  decode(pieces) {
    const description = parseSdp(latin1(pieces));
    for (const role of ['whip', 'whep'] as const) lintOffer(description, role);
    offer ??= parseSdp(latin1([captured('srs-7.0.18/whep-offer.sdp')]));
    lintAnswer(offer, description);
    lintAnswer(description, offer);
  },
};
let offer: ReturnType<typeof parseSdp> | undefined;

export const textDecoders = [m3u8, dash, xml, sdp];
