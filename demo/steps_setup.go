package main

import (
	"context"
	"strings"
)

func people(ctx context.Context, s *stage) error {
	for _, args := range [][]string{
		{"migrate"},
		{"principal", "create", "alice", "--kind", "human", "--role", "operator", "--role", "approver"},
		{"principal", "create", "bob", "--kind", "human", "--role", "operator", "--role", "approver"},
		{"principal", "create", "audrey", "--kind", "human", "--role", "auditor"},
		{"principal", "create", "terraform", "--kind", "service", "--owner", "alice", "--role", "operator"},
	} {
		if _, err := s.certctl(ctx, args...); err != nil {
			return err
		}
	}
	if _, err := s.certctl(ctx, "principal", "list"); err != nil {
		return err
	}
	for _, name := range []string{"alice", "bob", "audrey", "terraform"} {
		if err := s.createKey(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func ungatedNames(ctx context.Context, s *stage) error {
	if _, err := s.certctl(ctx, "ungated-names", "set", "--dns", "*.dev.example.com"); err != nil {
		return err
	}
	out, err := s.certctl(ctx, "ungated-names", "show")
	if err != nil {
		return err
	}
	return expect(strings.Contains(out, "*.dev.example.com") && strings.Contains(out, "serverAuth"), "the name and the usage are listed")
}

func startServer(ctx context.Context, s *stage) error {
	return s.serve(ctx)
}

func gatedProfile(ctx context.Context, s *stage) error {
	if err := s.config("main.tf", `
		terraform {
		  required_providers {
		    certctl = { source = "certctl/certctl", version = "~> 0.1.0" }
		  }
		}

		provider "certctl" {} # uses CERTCTL_ENDPOINT and CERTCTL_API_KEY

		resource "certctl_certificate_profile" "shop" {
		  name              = "Shop"
		  requires_approval = true
		  allowed_dns_names = ["**.shop.example.com", "shop.example.com"]
		}

		output "profile_id" {
		  value = certctl_certificate_profile.shop.id
		}
	`); err != nil {
		return err
	}
	if _, err := s.terraform(ctx, 0, "init", "-input=false"); err != nil {
		return err
	}
	if _, err := s.terraform(ctx, 0, "apply", "-input=false", "-auto-approve"); err != nil {
		return err
	}
	id, err := s.terraform(ctx, 0, "output", "-raw", "profile_id")
	if err != nil {
		return err
	}
	profile, err := s.as("bob").GetProfile(ctx, id)
	if err != nil {
		return err
	}
	s.show(profile, "id", "name", "requires_approval", "allowed_dns_names")
	s.profileID = id
	return expect(profile.RequiresApproval, "the profile is gated")
}
