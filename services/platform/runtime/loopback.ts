/** Whether `host:port` names this machine itself, as it is written: no name is looked up, since names may be anybody's. */
export function isLoopbackAddress(address: string): boolean {
  const host = address.slice(0, address.lastIndexOf(':'));
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host);
}
