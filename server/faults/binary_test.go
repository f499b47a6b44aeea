package faults_test

func removeBinary() {}
