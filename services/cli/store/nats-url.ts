/** Where commands look for NATS that are told no server. */
export const defaultNatsUrl = 'nats://127.0.0.1:4222';
