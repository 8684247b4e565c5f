/** What is left behind for others to read must not carry what lets them in. */

/** Query parameters by which live servers let people in: SRS's and the CDNs' tokens and signatures. */
const SECRET_PARAMETER =
  /([?&](?:[a-z_]*token|secret|[a-z_]*key|[a-z_]*secret|sign|signature|auth|pass|passwd|password|passphrase)=)[^&\s"'<>\\,;]+/gi;
const USER_INFO = /(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s"'@<>\\]+@/gi;

/** The text with the values of secret query parameters, and whatever stands before the host of a URL, as `***`. */
export function maskSecrets(text: string): string {
  return text.replace(SECRET_PARAMETER, '$1***').replace(USER_INFO, '$1***@');
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
