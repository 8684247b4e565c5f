import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { expandTimeline, initializationUrl, parseManifest } from '../../../protocols/dash/manifest.ts';
import { fillTemplate } from '../../../protocols/dash/timeline.ts';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { parseXml } from '../../../protocols/xml.ts';

const live = readFileSync(
  new URL('../../../fixtures/captures/nginx-rtmp-1.2.2/live.mpd', import.meta.url),
  'utf8',
);
const { DashManifest, DashSize } = ProtocolErrorCode;

function refused(act: () => unknown, code: ProtocolErrorCode): void {
  assert.throws(act, (error: unknown) => error instanceof ProtocolError && error.code === code);
}

const mpd = (inner: string): string =>
  `<MPD><Period><AdaptationSet mimeType="video/mp4">${inner}</AdaptationSet></Period></MPD>`;

function only(inner: string) {
  return parseManifest(mpd(inner)).periods[0]!.adaptationSets[0]!.representations[0]!;
}

test("nginx-rtmp's live manifest", () => {
  const manifest = parseManifest(live);
  assert.equal(manifest.type, 'dynamic');
  assert.equal(manifest.minimumUpdatePeriodMs, 2000);
  assert.equal(manifest.timeShiftBufferDepthMs, 9000);
  assert.equal(manifest.availabilityStartTime, Date.UTC(2026, 10, 20, 22, 4, 57));
  const [period] = manifest.periods;
  assert.equal(period!.startMs, 0);
  const [video, audio] = period!.adaptationSets;
  assert.deepEqual([video!.contentType, audio!.contentType], ['video', 'audio']);
  const representation = video!.representations[0]!;
  assert.deepEqual(
    [
      representation.id,
      representation.bandwidth,
      representation.codecs,
      representation.width,
      representation.height,
    ],
    ['x_src_H264', 383_000, 'avc1.42c01e', 640, 360],
  );
  assert.deepEqual(
    expandTimeline(representation).map(({ time, duration, url }) => [time, duration, url]),
    [6000, 8000, 10_000, 12_000].map((time) => [time, 2000, `${time}.m4v`]),
  );
  assert.equal(initializationUrl(audio!.representations[0]!), 'init.m4a');
});

test('templates are inherited; repeats, open repeats and numbers are expanded', () => {
  const representation = only(
    '<SegmentTemplate timescale="10" media="$RepresentationID$/$Number%05d$-$Time$$$" startNumber="7"><SegmentTimeline>' +
      '<S t="5" d="2" r="1"/><S d="3" r="-1"/><S t="15" d="1" r="-1"/></SegmentTimeline></SegmentTemplate>' +
      '<Representation id="v" bandwidth="9"/>',
  );
  assert.deepEqual(
    expandTimeline(representation).map(({ url }) => url),
    ['v/00007-5$', 'v/00008-7$', 'v/00009-9$', 'v/00010-12$', 'v/00011-15$'],
  );
  refused(() => expandTimeline(representation, 4), DashSize);
  for (const pattern of ['$Foo$', '$Time', '$toString$', '$RepresentationID%02d$']) {
    refused(() => fillTemplate(pattern, { id: 'a', bandwidth: 1 }, { time: 1 }), DashManifest);
  }
  refused(() => fillTemplate('$RepresentationID$', { id: 'a'.repeat(3000), bandwidth: 1 }, {}), DashSize);
});

test('what is missing or unreadable is refused', () => {
  const one = '<Representation id="v" bandwidth="9"/>';
  for (const text of [
    '',
    '<html/>',
    '<MPD/>',
    '<MPD type="dynamic"><Period/></MPD>',
    '<MPD minimumUpdatePeriod="2s"><Period/></MPD>',
    '<MPD minimumUpdatePeriod="PT"><Period/></MPD>',
    mpd('<Representation bandwidth="9"/>'),
    mpd('<Representation id="v"/>'),
    mpd(`<SegmentTemplate timescale="0" media="a"/>${one}`),
    mpd(`<SegmentTemplate media="a"><SegmentTimeline><S d="0"/></SegmentTimeline></SegmentTemplate>${one}`),
  ]) {
    refused(() => parseManifest(text), DashManifest);
  }
});

test('XML: entities, CDATA, comments, attributes; nothing of a DTD', () => {
  const root = parseXml(
    '\ufeff<?xml version="1.0"?><!-- a --><a:b x=\'1 &lt;&#65;&#x42;\' __proto__="p">t&amp;<c/><![CDATA[<&>]]></a:b>\n',
  );
  assert.equal(root.name, 'a:b');
  assert.deepEqual(Object.entries(root.attributes), [
    ['x', '1 <AB'],
    ['__proto__', 'p'],
  ]);
  assert.equal(root.text, 't&<&>');
  assert.deepEqual(
    root.children.map(({ name }) => name),
    ['c'],
  );
  for (const text of [
    '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    '<a>&b;</a>',
    '<a>&#0;</a>',
    '<a>& </a>',
    '<a><b></a></b>',
    '<a/><b/>',
    '<a x="1" x="2"/>',
    '<a x="<"/>',
    '<a x=1/>',
    '<a',
    '<a>',
    'a',
    '<a/>a',
  ]) {
    refused(() => parseXml(text), DashManifest);
  }
});

test('deep, large and many are refused by size, and nothing is quadratic', () => {
  refused(() => parseXml('<a>'.repeat(1_000_000)), DashSize);
  refused(() => parseXml('x'.repeat(100 * 1024 * 1024)), DashSize);
  refused(() => parseXml(`<a>${'<b/>'.repeat(300_000)}</a>`), DashSize);
  const inherited = mpd(
    `<SegmentTemplate media="a"><SegmentTimeline>${'<S d="1"/>'.repeat(30_000)}</SegmentTimeline></SegmentTemplate>` +
      '<Representation id="v" bandwidth="9"/>'.repeat(30_000),
  );
  assert.equal(parseManifest(inherited).periods[0]!.adaptationSets[0]!.representations.length, 30_000);
});

test('damage to a manifest throws a ProtocolError or nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(live.length - 1), fc.nat(20), fc.string({ unit: 'binary', maxLength: 5 })), {
        minLength: 1,
        maxLength: 4,
      }),
      (cuts) => {
        let text = live;
        for (const [at, length, put] of cuts) text = text.slice(0, at) + put + text.slice(at + length);
        try {
          for (const period of parseManifest(text).periods) {
            for (const { representations } of period.adaptationSets)
              representations.map((one) => expandTimeline(one));
          }
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});
