"""Colour: conversion, statistics, and exact control of them."""
