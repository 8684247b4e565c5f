/** What "on this machine" means, for those who may load nothing else. */

/** 127.0.0.0/8 (RFC 1122 3.2.1.3), ::1 (RFC 4291 2.5.3), localhost (RFC 6761 6.3). */
export function isLoopback(host: string): boolean {
  if (host === '::1' || /^(.+\.)?localhost$/i.test(host)) return true;
  const bytes = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1);
  return bytes?.every((byte) => Number(byte) <= 255) ?? false;
}
