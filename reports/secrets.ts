/** What is left behind for others to read must not carry what lets them in. */

/**
 * Query parameters by which live servers let people in: SRS's and the CDNs' tokens and signatures. They also stand in
 * the stream id of an SRT URL, between commas and maybe percent-encoded.
 */
const SECRET_PARAMETER =
  /((?:[?&,]|%3F|%26|%2C)(?:[a-z_-]*(?:token|key|secret|signature)|sig|sign|auth|jwt|pass|passwd|password|pwd|hdnts|hdnea)(?:=|%3D))[^&\s"'<>\\,;]+/gi;
/** Of SRT: any text, so that it ends with its parameter alone. */
const PASSPHRASE = /([?&]passphrase=)[^&\s"\\]+/gi;
/** RFC 6750 section 2.1, as a header of HTTP or in what a server says of it. */
const BEARER = /(\bBearer\s+)[a-z0-9\-._~+/]+=*/gi;
/** RFC 7617 and RFC 6265, as headers of HTTP. */
const BASIC = /(\bAuthorization["\\]*:\s*["\\]*Basic\s+)[a-z0-9+/]+=*/gi;
const COOKIE = /(\b(?:Set-)?Cookie:\s*)[^\r\n"\\]+/gi;
/** Of SDP (RFC 8839 section 5.4). */
const ICE_PASSWORD = /(\ba=ice-pwd:)[^\s"\\]+/gi;
const USER_INFO = /(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s"'@<>\\]+@/gi;

/** The text with secret query parameters, tokens, passwords and cookies, and what stands before the host of a URL, as `***`. */
export function maskSecrets(text: string): string {
  return text
    .replace(PASSPHRASE, '$1***')
    .replace(SECRET_PARAMETER, '$1***')
    .replace(BEARER, '$1***')
    .replace(BASIC, '$1***')
    .replace(COOKIE, '$1***')
    .replace(ICE_PASSWORD, '$1***')
    .replace(USER_INFO, '$1***@');
}

/** A copy in which every string, keys of records included, is masked. */
export function maskDeep<T>(value: T): T {
  if (typeof value === 'string') return maskSecrets(value) as T;
  if (Array.isArray(value)) return value.map(maskDeep) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [maskSecrets(key), maskDeep(field)]),
  ) as T;
}
