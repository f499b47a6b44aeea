package rules

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"github.com/titanous/rocacheck"
)

// checkRSA refuses a weak RSA key. It also bounds the time of a verification: a modulus of 64 KiB would take minutes.
func checkRSA(key *rsa.PublicKey) error {
	switch size := key.N.BitLen(); {
	case size < minRSASize || size > maxRSASize:
		return fmt.Errorf("the CSR's RSA key has %d bits; %d to %d are allowed", size, minRSASize, maxRSASize)
	case key.N.Bit(0) == 0:
		return errors.New("the CSR's RSA key has an even modulus")
	case key.E < minRSAExponent || key.E%2 == 0:
		return fmt.Errorf("the CSR's RSA key has the public exponent %d; an odd one of at least %d is allowed", key.E, minRSAExponent)
	case hasSmallFactor(key.N):
		return errors.New("the CSR's RSA key is weak: its modulus has a small factor")
	case hasCloseFactors(key.N):
		return errors.New("the CSR's RSA key is weak: the two primes of its modulus are close to each other")
	case rocacheck.IsWeak(key):
		return errors.New("the CSR's RSA key is weak: it has the form that ROCA factors (CVE-2017-15361)")
	}
	return nil
}

// hasSmallFactor finds the factors below smallFactors. Only a broken key generator makes such small factors.
const smallFactors = 1 << 17

// primorial is the product of all primes below smallFactors.
var primorial = sync.OnceValue(func() *big.Int {
	composite := make([]bool, smallFactors)
	var primes []*big.Int
	for n := 2; n < smallFactors; n++ {
		if composite[n] {
			continue
		}
		primes = append(primes, big.NewInt(int64(n)))
		for multiple := n * n; multiple < smallFactors; multiple += n {
			composite[multiple] = true
		}
	}
	for len(primes) > 1 { // multiplying in pairs keeps the factors of one size
		half := (len(primes) + 1) / 2
		for i := range len(primes) / 2 {
			primes[i].Mul(primes[i], primes[half+i])
		}
		primes = primes[:half]
	}
	return primes[0]
})

func hasSmallFactor(n *big.Int) bool {
	rest := new(big.Int).Mod(primorial(), n)
	return rest.GCD(nil, nil, rest, n).Cmp(one) != 0
}

var one = big.NewInt(1)

// fermatRounds is the number of rounds that section 6.1.1.3 of the Baseline Requirements of the CA/Browser Forum requires.
const fermatRounds = 100

// hasCloseFactors tries to factor n by Fermat's method: n = a*a - b*b, with a from the root of n upwards.
func hasCloseFactors(n *big.Int) bool {
	a := new(big.Int).Sqrt(n)
	square, root := new(big.Int), new(big.Int)
	for range fermatRounds {
		if square.Mul(a, a).Cmp(n) >= 0 {
			square.Sub(square, n)
			if canBeSquare(square) && root.Mul(root.Sqrt(square), root).Cmp(square) == 0 {
				return true
			}
		}
		a.Add(a, one)
	}
	return false
}

// canBeSquare reports whether n leaves a rest that a square can leave. It saves most roots: 96 of 100 numbers that are not
// squares leave another rest.
func canBeSquare(n *big.Int) bool {
	rests := squareRests()
	return rests[new(big.Int).Mod(n, big.NewInt(int64(len(rests)))).Int64()]
}

var squareRests = sync.OnceValue(func() []bool {
	const modulus = 16 * 9 * 5 * 7
	rests := make([]bool, modulus)
	for i := range modulus {
		rests[i*i%modulus] = true
	}
	return rests
})
