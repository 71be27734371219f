// Elementary functions with one result on every CPU and compiler.
//
// libm picks variants by CPU, so nothing that reaches a digest may call it. These use only
// + - * / and square root, which IEEE 754 rounds exactly. Relative error below 1e-14.
#pragma once

namespace mqttwin::portable {

/// Natural logarithm of a finite x > 0.
double log(double x);
/// e to the x; 0 below -745, infinity above 709.78.
double exp(double x);
/// Sine of 2*pi*turns (an argument in turns needs no reduction by pi).
double sin_turns(double turns);
/// Cosine of 2*pi*turns.
double cos_turns(double turns);
/// x to the y for x > 0.
double pow(double x, double y);

}  // namespace mqttwin::portable
