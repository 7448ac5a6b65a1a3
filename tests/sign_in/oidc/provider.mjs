// A certified OpenID provider on loopback for the tests of sign-in. Its people are the JSON file named by PEOPLE, read anew
// at each sign-in: {"sub": {claim: value}}. Whoever is in it signs in with any password.
import { readFileSync } from 'node:fs'
import Provider from 'oidc-provider'

const { ISSUER, REDIRECT, CLIENT, SECRET, PEOPLE } = process.env
const people = () => JSON.parse(readFileSync(PEOPLE, 'utf8'))

const provider = new Provider(ISSUER, {
  clients: [{
    client_id: CLIENT,
    client_secret: SECRET,
    redirect_uris: [REDIRECT],
    response_types: ['code'],
    grant_types: ['authorization_code']
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ['only for tests'] },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  async findAccount (context, sub) {
    const claims = people()[sub]
    return claims && { accountId: sub, claims: async () => ({ sub, ...claims }) }
  }
})
provider.listen(new URL(ISSUER).port, '127.0.0.1', () => console.log('listening'))
