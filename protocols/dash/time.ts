import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

const DURATION =
  /^P(?:(\d{1,4})Y)?(?:(\d{1,6})M)?(?:(\d{1,8})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,12})?)S)?)?$/;
const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(\.\d{1,12})?(?:Z|([+-])(\d{2}):(\d{2}))?$/;

/**
 * xs:duration in ms; a year is 365 days and a month 30, as players take them.
 * @throws ProtocolError DashManifest
 */
export function parseDuration(where: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = DURATION.exec(text);
  if (!match || /[PT]$/.test(text)) throw bad(`a duration in ${where}`, text);
  const [years, months, days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  const wholeDays = years! * 365 + months! * 30 + days!;
  return Math.round((((wholeDays * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1000);
}

/**
 * xs:dateTime as epoch ms; without a time zone it is UTC (ISO/IEC 23009-1 section 5.3.1.2).
 * @throws ProtocolError DashManifest
 */
export function parseDateTime(where: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = DATE_TIME.exec(text);
  if (!match) throw bad(`a date and time in ${where}`, text);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const utc = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) + Number(match[7] ?? 0) * 1000;
  const zone = (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0)) * 60_000;
  return match[8] === '-' ? utc + zone : utc - zone;
}

function bad(expected: string, text: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.DashManifest, expected, JSON.stringify(text.slice(0, 80)));
}
