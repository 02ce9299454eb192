/** A text in which URLs have no user and no password any more: `nats://ada:secret@host` is `nats://***@host`. */
export function withoutPasswords(text: string): string {
  return text.replace(/(\w{1,32}:\/\/)[^\s/@]+@/g, '$1***@');
}
