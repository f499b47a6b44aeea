package rules

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
)

func TestInspectRSA_Weak(t *testing.T) {
	t.Parallel()
	p := must(rand.Prime(rand.Reader, 1024)) // its two highest bits are set
	good := new(big.Int).Mul(p, must(rand.Prime(rand.Reader, 1024)))
	for name, c := range map[string]struct {
		n    *big.Int
		says string
	}{
		"a factor of 3":     {new(big.Int).Mul(big.NewInt(3), good), "small factor"},
		"a factor of 65539": {new(big.Int).Mul(big.NewInt(65539), good), "small factor"},
		"the next prime":    {new(big.Int).Mul(p, primeAfter(p)), "close to each other"},
		"primes that begin alike": {
			new(big.Int).Mul(p, primeAfter(new(big.Int).Add(p, new(big.Int).Lsh(big.NewInt(1), 514)))), "close to each other",
		},
		"a square": {new(big.Int).Mul(p, p), "close to each other"},
		"ROCA":     {new(big.Int).Mul(rocaPrime(), rocaPrime()), "ROCA"},
	} {
		err := checkRSA(&rsa.PublicKey{N: c.n, E: 65537})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %d bits: %v", name, c.n.BitLen(), err)
		}
	}
}

func TestInspectRSA_Good(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{2048, 3072, 4096} {
		if err := checkRSA(&must(rsa.GenerateKey(rand.Reader, bits)).PublicKey); err != nil {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

func primeAfter(n *big.Int) *big.Int {
	next := new(big.Int).Add(n, big.NewInt(2))
	next.SetBit(next, 0, 1)
	for !next.ProbablyPrime(20) {
		next.Add(next, big.NewInt(2))
	}
	return next
}

// rocaPrime makes a prime as the broken library did: k*M + (65537^a mod M), M the product of the first primes.
func rocaPrime() *big.Int {
	m := big.NewInt(1)
	for n, found := big.NewInt(2), 0; found < 126; n.Add(n, big.NewInt(1)) {
		if n.ProbablyPrime(20) {
			m.Mul(m, n)
			found++
		}
	}
	k := new(big.Int).Lsh(big.NewInt(3), uint(1024-m.BitLen()-2))
	for {
		random := must(rand.Int(rand.Reader, big.NewInt(1<<40)))
		p := new(big.Int).Exp(big.NewInt(65537), random, m)
		p.Add(p, new(big.Int).Mul(new(big.Int).Add(k, random), m))
		if p.ProbablyPrime(20) {
			return p
		}
	}
}
