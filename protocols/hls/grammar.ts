/** The grammar of every known tag: where it may be, how often, and what its value looks like. */

/** Forms of values (RFC 8216 section 4.2; `range` and `date` are of 4.3.2.2 and 4.3.2.6). */
export const FORMS = {
  none: /^$/,
  integer: /^\d{1,20}$/,
  hex: /^0[xX][0-9A-F]+$/,
  iv: /^0[xX][0-9A-Fa-f]{32}$/,
  float: /^\d+(?:\.\d+)?$/,
  'signed-float': /^-?\d+(?:\.\d+)?$/,
  resolution: /^\d+x\d+$/,
  range: /^\d{1,20}(?:@\d{1,20})?$/,
  extinf: /^\d+(?:\.\d+)?,/,
  date: /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?$/,
  type: /^(?:EVENT|VOD)$/,
  yesno: /^(?:YES|NO)$/,
  token: /^[^",\s]+$/,
  text: /^[^"\r\n]*$/,
} as const;
export type Form = keyof typeof FORMS;

export interface AttributeRule {
  readonly form: Form;
  readonly quoted?: boolean;
  readonly required?: boolean;
  readonly values?: readonly string[];
}

export interface TagRule {
  readonly section: string;
  readonly place: 'both' | 'media' | 'master';
  /** Applies to the segment after it, so that it may come any number of times. */
  readonly many?: boolean;
  readonly value: Form | 'attributes';
  readonly attributes?: Readonly<Record<string, AttributeRule>>;
}

const quoted: AttributeRule = { form: 'text', quoted: true };
const quotedRequired: AttributeRule = { form: 'text', quoted: true, required: true };
const integer: AttributeRule = { form: 'integer' };
const integerRequired: AttributeRule = { form: 'integer', required: true };
const float: AttributeRule = { form: 'float' };
const yesno: AttributeRule = { form: 'yesno' };
const quotedRange: AttributeRule = { form: 'range', quoted: true };
const oneOf = (...values: string[]): AttributeRule => ({ form: 'token', values });

const key = {
  METHOD: { form: 'token', required: true },
  URI: quoted,
  IV: { form: 'iv' },
  KEYFORMAT: quoted,
  KEYFORMATVERSIONS: quoted,
} as const satisfies Record<string, AttributeRule>;

const stream = {
  BANDWIDTH: integerRequired,
  'AVERAGE-BANDWIDTH': integer,
  CODECS: quoted,
  RESOLUTION: { form: 'resolution' },
  'HDCP-LEVEL': oneOf('TYPE-0', 'TYPE-1', 'NONE'),
  VIDEO: quoted,
} as const satisfies Record<string, AttributeRule>;

export const TAGS: Readonly<Record<string, TagRule>> = {
  '#EXTM3U': { section: '4.3.1.1', place: 'both', value: 'none' },
  '#EXT-X-VERSION': { section: '4.3.1.2', place: 'both', value: 'integer' },
  '#EXT-X-INDEPENDENT-SEGMENTS': { section: '4.3.5.1', place: 'both', value: 'none' },
  '#EXT-X-START': {
    section: '4.3.5.2',
    place: 'both',
    value: 'attributes',
    attributes: { 'TIME-OFFSET': { form: 'signed-float', required: true }, PRECISE: yesno },
  },
  '#EXT-X-DEFINE': { section: 'bis 4.4.2.3', place: 'both', many: true, value: 'attributes' },

  '#EXTINF': { section: '4.3.2.1', place: 'media', many: true, value: 'extinf' },
  '#EXT-X-BYTERANGE': { section: '4.3.2.2', place: 'media', many: true, value: 'range' },
  '#EXT-X-DISCONTINUITY': { section: '4.3.2.3', place: 'media', many: true, value: 'none' },
  '#EXT-X-KEY': { section: '4.3.2.4', place: 'media', many: true, value: 'attributes', attributes: key },
  '#EXT-X-MAP': {
    section: '4.3.2.5',
    place: 'media',
    many: true,
    value: 'attributes',
    attributes: { URI: quotedRequired, BYTERANGE: quotedRange },
  },
  '#EXT-X-PROGRAM-DATE-TIME': { section: '4.3.2.6', place: 'media', many: true, value: 'date' },
  '#EXT-X-DATERANGE': {
    section: '4.3.2.7',
    place: 'media',
    many: true,
    value: 'attributes',
    attributes: {
      ID: quotedRequired,
      CLASS: quoted,
      'START-DATE': { form: 'date', quoted: true },
      'END-DATE': { form: 'date', quoted: true },
      DURATION: float,
      'PLANNED-DURATION': float,
      'END-ON-NEXT': oneOf('YES'),
    },
  },
  '#EXT-X-GAP': { section: 'bis 4.4.4.7', place: 'media', many: true, value: 'none' },
  '#EXT-X-BITRATE': { section: 'bis 4.4.4.8', place: 'media', many: true, value: 'integer' },
  '#EXT-X-PART': {
    section: 'bis 4.4.4.9',
    place: 'media',
    many: true,
    value: 'attributes',
    attributes: {
      URI: quotedRequired,
      DURATION: { form: 'float', required: true },
      INDEPENDENT: oneOf('YES'),
      GAP: oneOf('YES'),
      BYTERANGE: quotedRange,
    },
  },

  '#EXT-X-TARGETDURATION': { section: '4.3.3.1', place: 'media', value: 'integer' },
  '#EXT-X-MEDIA-SEQUENCE': { section: '4.3.3.2', place: 'media', value: 'integer' },
  '#EXT-X-DISCONTINUITY-SEQUENCE': { section: '4.3.3.3', place: 'media', value: 'integer' },
  '#EXT-X-ENDLIST': { section: '4.3.3.4', place: 'media', value: 'none' },
  '#EXT-X-PLAYLIST-TYPE': { section: '4.3.3.5', place: 'media', value: 'type' },
  '#EXT-X-I-FRAMES-ONLY': { section: '4.3.3.6', place: 'media', value: 'none' },
  '#EXT-X-PART-INF': {
    section: 'bis 4.4.3.7',
    place: 'media',
    value: 'attributes',
    attributes: { 'PART-TARGET': { form: 'float', required: true } },
  },
  '#EXT-X-SERVER-CONTROL': {
    section: 'bis 4.4.3.8',
    place: 'media',
    value: 'attributes',
    attributes: {
      'CAN-SKIP-UNTIL': float,
      'CAN-SKIP-DATERANGES': oneOf('YES'),
      'HOLD-BACK': float,
      'PART-HOLD-BACK': float,
      'CAN-BLOCK-RELOAD': oneOf('YES'),
    },
  },
  '#EXT-X-SKIP': {
    section: 'bis 4.4.5.2',
    place: 'media',
    value: 'attributes',
    attributes: { 'SKIPPED-SEGMENTS': integerRequired },
  },
  '#EXT-X-PRELOAD-HINT': {
    section: 'bis 4.4.5.3',
    place: 'media',
    many: true,
    value: 'attributes',
    attributes: {
      TYPE: { form: 'token', required: true },
      URI: quotedRequired,
      'BYTERANGE-START': integer,
      'BYTERANGE-LENGTH': integer,
    },
  },
  '#EXT-X-RENDITION-REPORT': {
    section: 'bis 4.4.5.4',
    place: 'media',
    many: true,
    value: 'attributes',
    attributes: { URI: quotedRequired, 'LAST-MSN': integer, 'LAST-PART': integer },
  },

  '#EXT-X-MEDIA': {
    section: '4.3.4.1',
    place: 'master',
    many: true,
    value: 'attributes',
    attributes: {
      TYPE: { form: 'token', required: true, values: ['AUDIO', 'VIDEO', 'SUBTITLES', 'CLOSED-CAPTIONS'] },
      'GROUP-ID': quotedRequired,
      NAME: quotedRequired,
      URI: quoted,
      LANGUAGE: quoted,
      'ASSOC-LANGUAGE': quoted,
      DEFAULT: yesno,
      AUTOSELECT: yesno,
      FORCED: yesno,
      'INSTREAM-ID': quoted,
      CHARACTERISTICS: quoted,
      CHANNELS: quoted,
    },
  },
  '#EXT-X-STREAM-INF': {
    section: '4.3.4.2',
    place: 'master',
    many: true,
    value: 'attributes',
    attributes: { ...stream, 'FRAME-RATE': float, AUDIO: quoted, SUBTITLES: quoted },
  },
  '#EXT-X-I-FRAME-STREAM-INF': {
    section: '4.3.4.3',
    place: 'master',
    many: true,
    value: 'attributes',
    attributes: { ...stream, URI: quotedRequired },
  },
  '#EXT-X-SESSION-DATA': {
    section: '4.3.4.4',
    place: 'master',
    many: true,
    value: 'attributes',
    attributes: { 'DATA-ID': quotedRequired, VALUE: quoted, URI: quoted, LANGUAGE: quoted },
  },
  '#EXT-X-SESSION-KEY': {
    section: '4.3.4.5',
    place: 'master',
    many: true,
    value: 'attributes',
    attributes: key,
  },
  '#EXT-X-CONTENT-STEERING': {
    section: 'bis 4.4.6.6',
    place: 'master',
    value: 'attributes',
    attributes: { 'SERVER-URI': quotedRequired, 'PATHWAY-ID': quoted },
  },
};
