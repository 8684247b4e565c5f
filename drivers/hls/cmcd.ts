/** Common Media Client Data (CTA-5004): what a player tells the servers of itself with each request. */

export type CmcdMode = 'headers' | 'query';

/** Keys of CTA-5004 section 3.1 that this player knows. */
export interface CmcdData {
  /** Encoded bitrate, kbit/s. */
  readonly br?: number;
  /** Buffer length, ms. */
  readonly bl?: number;
  /** Object duration, ms. */
  readonly d?: number;
  /** Measured throughput, kbit/s. */
  readonly mtp?: number;
  /** Manifest, or muxed audio and video. */
  readonly ot: 'm' | 'av';
  readonly sid: string;
  /** Live, or video on demand; unknown before the first media playlist. */
  readonly st?: 'l' | 'v';
  /** Startup: the object is needed urgently. */
  readonly su?: boolean;
}

/** Which header a key belongs to (section 3.2). `sf=h`: HLS. */
const HEADERS = {
  'CMCD-Object': ['br', 'd', 'ot'],
  'CMCD-Request': ['bl', 'mtp', 'su'],
  'CMCD-Session': ['sf', 'sid', 'st'],
} as const;

/** `key=value` in alphabetical order; strings quoted, tokens not, a true flag as its key alone. */
function fields(data: CmcdData): Map<string, string> {
  const out = new Map<string, string>();
  const number = (key: string, value: number | undefined, step: number): void => {
    if (value !== undefined && Number.isFinite(value))
      out.set(key, `${key}=${Math.round(value / step) * step}`);
  };
  number('bl', data.bl, 100);
  number('br', data.br, 1);
  number('d', data.d, 1);
  number('mtp', data.mtp, 100);
  out.set('ot', `ot=${data.ot}`);
  out.set('sf', 'sf=h');
  out.set('sid', `sid="${data.sid}"`);
  if (data.st !== undefined) out.set('st', `st=${data.st}`);
  if (data.su === true) out.set('su', 'su');
  return out;
}

export function cmcdHeaders(data: CmcdData): Record<string, string> {
  const all = fields(data);
  const headers: Record<string, string> = {};
  for (const [header, keys] of Object.entries(HEADERS)) {
    const values = keys.flatMap((key) => all.get(key) ?? []);
    if (values.length > 0) headers[header] = values.join(',');
  }
  return headers;
}

/** The URL with the argument CMCD (section 3.3). What was in its query stays as it was written. */
export function cmcdUrl(url: URL, data: CmcdData): URL {
  const to = new URL(url);
  const argument = `CMCD=${encodeURIComponent([...fields(data).values()].join(','))}`;
  to.search = url.search === '' ? argument : `${url.search}&${argument}`;
  return to;
}
