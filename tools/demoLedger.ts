/** The part of the demo about money: a cooperative of three, and payments between them. */
import { icnNode, type Member, say, until } from "./demoMembers.ts"

const short = (did: string): string => `${did.slice(0, 20)}…`

/** The first member invites the others to her cooperative, which is founded with the invitation. */
export const cooperate = async (host: Member, guests: ReadonlyArray<Member>): Promise<void> => {
  const uses = String(guests.length)
  say(`  $ icn-node coop invite --uses ${uses}     (${host.name})`)
  const told = await icnNode("coop", "invite", "--uses", uses, "--json", "--data-dir", host.dataDir)
  const { invite }: { invite: string } = JSON.parse(told)
  for (const guest of guests) {
    say(`  $ icn-node coop join ${invite.slice(0, 20)}…     (${guest.name})`)
    await icnNode("coop", "join", invite, "--data-dir", guest.dataDir)
  }
}

/** What somebody has by the books of a member: `-1.00`. */
const balanceAt = async (member: Member, of: Member): Promise<string> => {
  const told = await icnNode("ledger", "balance", of.did, "--json", "--data-dir", member.dataDir)
  const rows: ReadonlyArray<{ posted: string }> = JSON.parse(told)
  return rows[0]?.posted ?? ""
}

/** Pays, and waits until these members' books say what the payee has now. */
export const pay = async (
  from: Member,
  to: Member,
  amount: string,
  expected: string,
  witnesses: ReadonlyArray<Member>
): Promise<void> => {
  say(`  $ icn-node ledger pay --to ${short(to.did)} --amount ${amount}     (${from.name})`)
  await icnNode("ledger", "pay", "--to", to.did, "--amount", amount, "--json", "--data-dir", from.dataDir)
  await agreed(witnesses, to, expected)
}

/** Waits until the books of all of them say that somebody has so much. */
export const agreed = async (members: ReadonlyArray<Member>, of: Member, posted: string): Promise<void> => {
  await until(
    `${of.name} to have ${posted} hours in the books of ${members.map(({ name }) => name).join(", ")}`,
    async () => (await Promise.all(members.map((member) => balanceAt(member, of)))).every((found) => found === posted)
  )
  say(`  in the books of ${members.map(({ name }) => name).join(", ")}: ${of.name} has ${posted} hours`)
}
